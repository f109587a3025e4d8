/** An egress proxy as its URL says it. Holds a password: never logged, never in an error. */
export interface EgressProxy {
  readonly protocol: 'http:' | 'https:' | 'socks5:';
  /** As URLs normalise it, an IPv6 address without its brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly signIn: { readonly username: string; readonly password: string } | undefined;
}

const MOST_CHARACTERS = 2048;
/** One byte tells their length (RFC 1929). */
const MOST_SOCKS_BYTES = 255;
const HIDDEN = '***';
const FORM =
  /^(https?|socks5):\/\/(?:([^:@/?#]*)(?::([^:@/?#]*))?@)?(\[[0-9a-f:.]+\]|[^:@/?#[\]]+)(?::(\d{1,5}))?\/?$/i;
const PORTS = { 'http:': 80, 'https:': 443, 'socks5:': 1080 } as const;

/** The proxy, or what is wrong with its URL in words that repeat nothing of it. */
export function readProxyUrl(text: string): EgressProxy | string {
  if (text.length > MOST_CHARACTERS) return `must not be longer than ${MOST_CHARACTERS} characters`;
  // Printable ASCII: everything else of a user or a password is percent-encoded.
  const [, scheme = '', user, password, host = '', port] = (/^[!-~]+$/.test(text) && FORM.exec(text)) || [];
  if (scheme === '') {
    return 'must be http://, https:// or socks5:// with user:password@ where the proxy wants them, host and port, and reserved characters percent-encoded';
  }
  const protocol = `${scheme.toLowerCase()}:` as EgressProxy['protocol'];
  const hostname = hostOf(host);
  if (hostname === undefined) return 'has a host that is not a host name';
  const number = port === undefined ? PORTS[protocol] : Number(port);
  if (number < 1 || number > 65_535) return 'has a port that is none';
  const signIn = signInOf(user, password, protocol);
  return typeof signIn === 'string' ? signIn : { protocol, hostname, port: number, signIn };
}

/** The URL as it may be shown: what opens the proxy is hidden, which without a password is the user. */
export function maskProxyUrl(text: string): string {
  return text.replace(/^([^:]+:\/\/)(?:([^:@/]*):)?[^@/]*@/, (_, scheme: string, user: string | undefined) =>
    user === undefined ? `${scheme}${HIDDEN}@` : `${scheme}${user}:${HIDDEN}@`,
  );
}

/** URL() makes one spelling of a host out of many only for schemes that it knows. */
function hostOf(host: string): string | undefined {
  const url = `http://${host}/`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') : undefined;
}

function signInOf(
  user: string | undefined,
  secret: string | undefined,
  protocol: EgressProxy['protocol'],
): EgressProxy['signIn'] | string {
  if (user === undefined) return undefined;
  if ([user, secret].includes(HIDDEN)) {
    return 'has asterisks for what is only shown so; give it whole, or leave the field out to keep it';
  }
  const [username, password] = [decoded(user), decoded(secret ?? '')];
  if (username === undefined || password === undefined) {
    return 'has a user or a password that is not percent-encoded UTF-8 text without control characters';
  }
  if (username === '') return 'has a password without a user';
  if (protocol === 'socks5:') {
    const fits = [username, password].every(
      (one) => one !== '' && Buffer.byteLength(one) <= MOST_SOCKS_BYTES,
    );
    if (!fits) return `must have a user and a password of at most ${MOST_SOCKS_BYTES} bytes each, or neither`;
  } else if (username.includes(':')) {
    // RFC 7617: the first colon ends the user.
    return 'must not have a colon in the user';
  }
  return { username, password };
}

function decoded(text: string): string | undefined {
  try {
    const plain = decodeURIComponent(text);
    return /[\u0000-\u001f\u007f]/.test(plain) ? undefined : plain;
  } catch {
    return undefined;
  }
}

/** Where the proxy is, and nothing of who signs in there. */
export function withoutSignIn(text: string): string {
  return text.replace(/^([^:]+:\/\/)[^@/]*@/, '$1');
}

/** What opens the proxy, in every spelling in which it is sent or kept. */
export function signInsOf(text: string): readonly string[] {
  const proxy = readProxyUrl(text);
  if (typeof proxy === 'string' || proxy.signIn === undefined) return [];
  const { username, password } = proxy.signIn;
  const secret = password === '' ? username : password;
  return [secret, encodeURIComponent(secret), Buffer.from(`${username}:${password}`).toString('base64')];
}
