import type { Credentials, Secret } from '../upstream/account.ts';
import { refuse } from './account-checks.ts';
import type { UpdateAccountDto } from './account.dto.ts';
import { textsOf } from './account-settings.ts';
import type { AccountView } from './accounts.repository.ts';
import { SealBroken } from './sealing.ts';

/**
 * The secret after an edit: what is given, and what is stored for what is not.
 * @throws ProblemError 400 for what is neither given nor to be opened: a proxy is not forgotten for being unreadable
 */
export function secretOf(
  wish: UpdateAccountDto,
  before: AccountView,
  stored: () => Credentials | undefined,
): Secret {
  const kept = opened(stored);
  if (kept === undefined) {
    const again = 'must be given again: what is stored cannot be opened with the keys that are set';
    const missing = [
      ...(wish.credentials === undefined ? ['credentials'] : []),
      ...(wish.proxyUrl === undefined && before.shownProxyUrl !== null ? ['proxyUrl'] : []),
    ];
    refuse(missing.map((field) => ({ field, problem: again })));
  }
  return {
    values: wish.credentials === undefined ? (kept?.values ?? {}) : textsOf(wish.credentials),
    proxyUrl: wish.proxyUrl === undefined ? kept?.proxyUrl : (wish.proxyUrl ?? undefined),
  };
}

function opened(stored: () => Credentials | undefined): Credentials | undefined {
  try {
    return stored();
  } catch (error) {
    if (error instanceof SealBroken) return undefined;
    throw error;
  }
}
