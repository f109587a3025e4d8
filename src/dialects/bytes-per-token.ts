/** Bytes of text to a token, where an answer never told its usage (a usual rule of thumb for English). */
export const BYTES_PER_TOKEN = 4;
