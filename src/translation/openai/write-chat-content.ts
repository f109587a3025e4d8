import { ownEntry } from '../../dialects/own-entry.ts';
import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { MediaPart, TextPart } from '../neutral.ts';

export type ContentPart = Readonly<Record<string, unknown>>;

/** `ChatCompletionContentPartInputAudio.format` of openai 6.49, by media type. */
const AUDIO: Readonly<Record<string, string>> = {
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/mp3': 'mp3',
  'audio/mpeg': 'mp3',
};

/** Cache marks are advice, and caching is the server's own business. */
export function writePart(part: TextPart | MediaPart, edits: Set<string>): readonly ContentPart[] {
  if (part.cache !== undefined) edits.add(leftOut(part.cache.at));
  if (part.type !== 'text') return [writeMedia(part, edits)];
  if (part.signature !== undefined) edits.add('signature:foreign');
  return part.text === '' ? [] : [{ type: 'text', text: part.text }];
}

/** A string where there is only text, as many servers know nothing else; texts are paragraphs of it. */
export function contentOf(parts: readonly ContentPart[]): string | readonly ContentPart[] {
  const texts = parts.map((part) => part['text']);
  return texts.every((text) => typeof text === 'string') ? texts.join('\n\n') : parts;
}

function writeMedia(part: MediaPart, edits: Set<string>): ContentPart {
  switch (part.type) {
    case 'image':
      return writeImage(part, edits);
    case 'document':
      return writeDocument(part);
    case 'audio':
      return writeAudio(part);
    case 'video':
      throw cannot(part.at, 'is video, which chat completions do not take');
  }
}

function writeImage({ at, media, name, detail }: MediaPart, edits: Set<string>): ContentPart {
  if (name !== undefined) edits.add(leftOut(`${at}.title`));
  const more = detail === undefined ? {} : { detail };
  switch (media.from) {
    case 'base64':
      return { type: 'image_url', image_url: { url: dataUrl(media.mediaType, media.data), ...more } };
    case 'url':
      return { type: 'image_url', image_url: { url: media.url, ...more } };
    case 'text':
      throw cannot(at, 'is text in the place of an image');
  }
}

/**
 * PDF as a file, whose name is required; plain text as text, under its name. Nothing fetches a document by its URL
 * (`ChatCompletionContentPart.File` of openai 6.49).
 */
function writeDocument({ at, media, name }: MediaPart): ContentPart {
  const text = (plain: string): ContentPart => ({
    type: 'text',
    text: name === undefined ? plain : `${name}\n\n${plain}`,
  });
  switch (media.from) {
    case 'text':
      return text(media.text);
    case 'base64': {
      const { mediaType, data } = media;
      if (mediaType.startsWith('text/')) return text(Buffer.from(data, 'base64').toString('utf8'));
      if (mediaType !== 'application/pdf') {
        throw cannot(at, `is ${mediaType.slice(0, 64)}; chat completions take PDF and text`);
      }
      const filename = name ?? 'document.pdf';
      return { type: 'file', file: { filename, file_data: dataUrl(mediaType, data) } };
    }
    case 'url':
      throw cannot(at, 'is a document by its URL, which chat completions do not fetch');
  }
}

function writeAudio({ at, media }: MediaPart): ContentPart {
  const format = media.from === 'base64' ? ownEntry(AUDIO, media.mediaType) : undefined;
  if (media.from !== 'base64' || format === undefined) {
    throw cannot(at, 'is audio that is neither wav nor mp3 in base64');
  }
  return { type: 'input_audio', input_audio: { data: media.data, format } };
}

function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`;
}
