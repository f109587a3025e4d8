import { cannot } from '../cannot.ts';
import type { MediaPart } from '../neutral.ts';
import { leftOut } from '../left-out-name.ts';

/** What a URL's ending tells, where the client does not: `FileData.mimeType` is required. */
const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
  gif: 'image/gif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  mp4: 'video/mp4',
};

/** Bytes in the request, or a public URL, which Gemini fetches (https://ai.google.dev/gemini-api/docs/file-input-methods). */
export function writeMedia({ type, at, media }: MediaPart): Readonly<Record<string, unknown>> {
  switch (media.from) {
    case 'base64':
      return { inlineData: { mimeType: media.mediaType, data: media.data } };
    case 'text':
      return { inlineData: { mimeType: 'text/plain', data: Buffer.from(media.text).toString('base64') } };
    case 'url': {
      const mimeType = media.mediaType ?? typeOf(media.url);
      if (mimeType === undefined) {
        throw cannot(
          at,
          `is ${type === 'image' ? 'an image' : 'a file'} by a URL that does not tell its type`,
        );
      }
      return { fileData: { mimeType, fileUri: media.url } };
    }
  }
}

/** A title, and the detail that an image is to be looked at in, have no place; `auto` asks for nothing. */
export function mediaName({ at, name, detail }: MediaPart, edits: Set<string>): void {
  if (name !== undefined) edits.add(leftOut(`${at}.title`));
  if (detail !== undefined && detail !== 'auto') edits.add(leftOut(`${at}.detail`));
}

function typeOf(url: string): string | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(url.split(/[?#]/, 1)[0]!)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(TYPES, ending) ? TYPES[ending] : undefined;
}
