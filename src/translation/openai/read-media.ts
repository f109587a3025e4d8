import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import type { Media, MediaPart } from '../neutral.ts';

/** What a file's name tells, where its data do not (`file_data` may be bare base64). */
const TYPES: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  json: 'application/json',
};

/** An image by a data URL or by a public one, as chat completions and responses both have it. */
export function imageMedia(url: string, at: string): Media {
  if (!url.startsWith('data:')) return { from: 'url', url: publicUrl(url, at) };
  const data = dataUrl(url, at);
  if (!data.mediaType.startsWith('image/')) throw new CallError(`${at}: must be an image`);
  return { from: 'base64', ...data };
}

/** A file's bytes: a data URL, or bare base64 whose type its name tells. */
export function fileMedia(
  data: string,
  name: string | undefined,
  at: string,
): Pick<MediaPart, 'type' | 'media'> {
  const file = data.startsWith('data:') ? dataUrl(data, at) : { mediaType: typeOf(name, at), data };
  const [top] = file.mediaType.split('/');
  if (top === 'text') {
    const text = Buffer.from(file.data, 'base64').toString('utf8');
    return { type: 'document', media: { from: 'text', text } };
  }
  const type = top === 'image' || top === 'audio' || top === 'video' ? top : 'document';
  return { type, media: { from: 'base64', ...file } };
}

export function publicUrl(url: string, at: string): string {
  if (/^https?:\/\//i.test(url)) return url;
  throw new CallError(`${at}: must be a data URL, or one of http or https`);
}

function dataUrl(url: string, at: string): { readonly mediaType: string; readonly data: string } {
  const comma = url.indexOf(',');
  const [mediaType = '', ...parameters] = url.slice('data:'.length, Math.max(comma, 0)).split(';');
  if (comma < 0 || mediaType === '' || parameters.at(-1)?.trim().toLowerCase() !== 'base64') {
    throw new CallError(`${at}: must be a data URL of base64, with its media type`);
  }
  return { mediaType: mediaType.trim().toLowerCase(), data: url.slice(comma + 1) };
}

function typeOf(name: string | undefined, at: string): string {
  const ending = /\.([a-z0-9]+)$/i.exec(name ?? '')?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(TYPES, ending)) return TYPES[ending]!;
  throw cannot(at, 'does not tell its type; write it as a data URL');
}
