/** The first bytes of every connection of HTTP/2 (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** What a connection speaks by its first bytes; `unknown` while they are the beginning of the preface, or none. */
export function openingOf(bytes: Buffer): 'http1' | 'http2' | 'unknown' {
  const length = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return 'http1';
  return length === PREFACE.length ? 'http2' : 'unknown';
}
