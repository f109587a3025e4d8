import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import type { MediaPart } from '../neutral.ts';
import type { Fields, Leave } from '../fields.ts';
import { leaveRest } from './left-out.ts';

/** Files that lie at Google, where no other vendor can fetch them. */
const AT_GOOGLE = /^(gs:|https?:\/\/generativelanguage\.googleapis\.com\/|files\/)/i;

/** `inlineData` or `fileData` (`Blob` and `FileData` of @google/genai 2.32). */
export function mediaPart(data: Fields, from: 'inline' | 'file', leave: Leave): MediaPart {
  const { at } = data;
  const mediaType = data.text('mimeType')?.toLowerCase();
  const name = data.text('displayName');
  const named = name === undefined || name === '' ? {} : { name };
  if (from === 'file') {
    const uriAt = data.atOf('fileUri');
    const url = data.text('fileUri');
    leaveRest(data, 'media', leave);
    if (uriAt === undefined || url === undefined) throw new CallError(`${at}.fileUri: is required`);
    if (AT_GOOGLE.test(url)) throw cannot(uriAt, 'lies at Google, and another vendor serves this model');
    const type = typeOf(mediaType ?? '', at);
    return { type, at, media: { from: 'url', url, ...(mediaType && { mediaType }) }, ...named };
  }
  const bytes = data.text('data');
  leaveRest(data, 'media', leave);
  if (mediaType === undefined) throw new CallError(`${at}.mimeType: is required`);
  if (bytes === undefined) throw new CallError(`${at}.data: is required`);
  const type = typeOf(mediaType, at);
  if (mediaType === 'text/plain') {
    const text = Buffer.from(bytes, 'base64').toString('utf8');
    return { type, at, media: { from: 'text', text }, ...named };
  }
  return { type, at, media: { from: 'base64', mediaType, data: standard(bytes) }, ...named };
}

function typeOf(mediaType: string, at: string): MediaPart['type'] {
  const [top] = mediaType.split('/');
  if (top === 'image' || top === 'audio' || top === 'video') return top;
  if (mediaType === '' || top === 'text' || top === 'application') return 'document';
  throw new CallError(`${at}.mimeType: is not known`);
}

/** Bytes may come in the URL's alphabet and without padding; other vendors take the standard one only. */
function standard(data: string): string {
  const text = data.replaceAll('-', '+').replaceAll('_', '/');
  return text.endsWith('=') ? text : text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}
