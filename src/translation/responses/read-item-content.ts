import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { bounded, Fields, type Leave } from '../fields.ts';
import type { MediaPart, TextPart } from '../neutral.ts';
import { cacheMark } from '../openai/cache-breakpoint.ts';
import { fileMedia, imageMedia, publicUrl } from '../openai/read-media.ts';
import { leaveRest } from './responses-left-out.ts';

type ContentPart = TextPart | MediaPart;

/** A string, or parts (`ResponseInputContent`, `ResponseOutputMessage.content` of openai 6.49). */
export function readContent(value: unknown, at: string, leave: Leave): readonly ContentPart[] {
  if (value === undefined || value === '') return [];
  if (typeof value === 'string') return [{ type: 'text', at, text: value }];
  if (!Array.isArray(value)) throw new CallError(`${at}: must be a string or a list of parts`);
  return bounded(value, at).flatMap((item, i) => readPart(Fields.of(item, `${at}[${i}]`), leave));
}

function readPart(part: Fields, leave: Leave): readonly ContentPart[] {
  const type = part.text('type') ?? '';
  const cache = cacheMark(part, leave);
  const read = partOf(type, part, leave);
  leaveRest(part, 'part', leave);
  return read.type === 'text' && read.text === '' ? [] : [{ ...read, ...cache }];
}

function partOf(type: string, part: Fields, leave: Leave): ContentPart {
  const { at } = part;
  switch (type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', at, text: part.text('text') ?? '' };
    case 'refusal':
      return { type: 'text', at, text: part.text('refusal') ?? '' };
    case 'input_image':
      return readImage(part);
    case 'input_file':
      return readFile(part);
    case 'input_audio':
      return readAudio(part, leave);
    default:
      throw cannot(at, `is a part of type ${type.slice(0, 64)}, which the relay does not know`);
  }
}

function readImage(part: Fields): MediaPart {
  const { at } = part;
  refuseId(part);
  const urlAt = `${at}.image_url`;
  const url = part.text('image_url');
  const detail = part.text('detail');
  if (url === undefined) throw new CallError(`${urlAt}: is required`);
  return { type: 'image', at, media: imageMedia(url, urlAt), ...(detail !== undefined && { detail }) };
}

function readFile(part: Fields): MediaPart {
  const { at } = part;
  refuseId(part);
  const name = part.text('filename');
  const url = part.text('file_url');
  const data = part.text('file_data');
  const detail = part.text('detail');
  const more = { at, ...(name !== undefined && { name }), ...(detail !== undefined && { detail }) };
  if (data !== undefined) return { ...fileMedia(data, name, `${at}.file_data`), ...more };
  if (url === undefined) throw new CallError(`${at}: must have file_data or file_url`);
  return { type: 'document', media: { from: 'url', url: publicUrl(url, `${at}.file_url`) }, ...more };
}

/** `format` is wav or mp3, which are names of media types as well. */
function readAudio(part: Fields, leave: Leave): MediaPart {
  const { at } = part;
  const audio = part.object('input_audio');
  const data = audio?.text('data');
  const format = audio?.text('format');
  if (audio !== undefined) leaveRest(audio, 'part', leave);
  if (data === undefined || format === undefined) {
    throw new CallError(`${at}.input_audio: must have data and format`);
  }
  return { type: 'audio', at, media: { from: 'base64', mediaType: `audio/${format}`, data } };
}

function refuseId(part: Fields): void {
  const at = part.atOf('file_id');
  if (at !== undefined) throw cannot(at, 'lies at OpenAI, and another vendor serves this model');
}
