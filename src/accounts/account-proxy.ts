import type { AddressPolicy } from '../upstream/address-policy.ts';
import { checkBehindProxy, checkProxy } from '../upstream/egress-policy.ts';
import { readProxyUrl, withoutSignIn } from '../upstream/proxy-url.ts';
import type { FieldProblem, Upstream } from '../upstream/upstream.ts';
import type { CreateAccountDto, UpdateAccountDto } from './account.dto.ts';
import type { AccountSettings } from './accounts.repository.ts';

/** What an administrator may save as an account's egress proxy; what is wrong with it never repeats it. */
export function checkProxyUrl(
  proxyUrl: string | null | undefined,
  policy: AddressPolicy,
): readonly FieldProblem[] {
  if (proxyUrl === undefined || proxyUrl === null) return [];
  const proxy = readProxyUrl(proxyUrl);
  const problem = typeof proxy === 'string' ? proxy : checkProxy(policy, proxy);
  return problem === undefined ? [] : [{ field: 'proxyUrl', problem }];
}

/** The places that the account leads to, each as seen from behind its proxy; they were checked by themselves before. */
export function checkBehind(
  upstream: Upstream,
  account: AccountSettings,
  wish: CreateAccountDto | UpdateAccountDto,
  policy: AddressPolicy,
): readonly FieldProblem[] {
  if (account.shownProxyUrl === null) return [];
  const proxy = readProxyUrl(withoutSignIn(account.shownProxyUrl));
  if (typeof proxy === 'string') return [{ field: 'proxyUrl', problem: proxy }];
  const { defaultBaseUrl } = upstream;
  const own = typeof defaultBaseUrl === 'function' ? defaultBaseUrl(account) : defaultBaseUrl;
  const places: [string, unknown][] = [
    ['baseUrl', account.baseUrl ?? own],
    ...(upstream.credentialUrls ?? []).map((name): [string, unknown] => [
      `credentials.${name}`,
      wish.credentials?.[name],
    ]),
  ];
  return places.flatMap(([field, url]) => {
    if (typeof url !== 'string' || !URL.canParse(url)) return [];
    const problem = checkBehindProxy(policy, new URL(url), proxy);
    return problem === undefined ? [] : [{ field, problem }];
  });
}
