import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { bounded, Fields, type Leave } from '../fields.ts';
import type { MediaPart, TextPart } from '../neutral.ts';
import { cacheMark } from './cache-breakpoint.ts';
import { leaveRest } from './chat-left-out.ts';
import { fileMedia, imageMedia } from './read-media.ts';

type ContentPart = TextPart | MediaPart;

/** A string, or parts (`ChatCompletionContentPart` of openai 6.49). A refusal of the model's is what it said. */
export function readContent(value: unknown, at: string, leave: Leave): readonly ContentPart[] {
  if (value === undefined || value === '') return [];
  if (typeof value === 'string') return [{ type: 'text', at, text: value }];
  if (!Array.isArray(value)) throw new CallError(`${at}: must be a string or a list of parts`);
  return bounded(value, at).flatMap((item, i) => readPart(Fields.of(item, `${at}[${i}]`), leave));
}

/** Text alone, as a system message or an assistant's has it. */
export function readTexts(value: unknown, at: string, leave: Leave): readonly TextPart[] {
  return readContent(value, at, leave).map((part) => {
    if (part.type !== 'text') throw new CallError(`${part.at}: must be text`);
    return part;
  });
}

function readPart(part: Fields, leave: Leave): readonly ContentPart[] {
  const { at } = part;
  const type = part.text('type') ?? '';
  const cache = cacheMark(part, leave);
  const read = partOf(type, part, leave);
  leaveRest(part, 'part', leave);
  if (read.type === 'text' && read.text === '') return [];
  return [{ ...read, at, ...cache }];
}

function partOf(type: string, part: Fields, leave: Leave): ContentPart {
  const { at } = part;
  switch (type) {
    case 'text':
    case 'refusal':
      return { type: 'text', at, text: required(part, type, part.text(type)) };
    case 'image_url':
      return readImage(nested(part, 'image_url'), leave);
    case 'input_audio':
      return readAudio(nested(part, 'input_audio'), leave);
    case 'file':
      return readFile(nested(part, 'file'), leave);
    default:
      throw cannot(at, `is a part of type ${type.slice(0, 64)}, which the relay does not know`);
  }
}

function readImage(image: Fields, leave: Leave): MediaPart {
  const { at } = image;
  const url = required(image, 'url', image.text('url'));
  const detail = image.text('detail');
  leaveRest(image, 'image', leave);
  return { type: 'image', at, media: imageMedia(url, `${at}.url`), ...(detail !== undefined && { detail }) };
}

/** `format` is wav or mp3, which are names of media types as well. */
function readAudio(audio: Fields, leave: Leave): MediaPart {
  const { at } = audio;
  const data = required(audio, 'data', audio.text('data'));
  const format = required(audio, 'format', audio.text('format'));
  leaveRest(audio, 'audio', leave);
  return { type: 'audio', at, media: { from: 'base64', mediaType: `audio/${format}`, data } };
}

function readFile(file: Fields, leave: Leave): MediaPart {
  const { at } = file;
  const idAt = file.atOf('file_id');
  if (idAt !== undefined) throw cannot(idAt, 'lies at OpenAI, and another vendor serves this model');
  const name = file.text('filename');
  const data = required(file, 'file_data', file.text('file_data'));
  leaveRest(file, 'file', leave);
  return { ...fileMedia(data, name, `${at}.file_data`), at, ...(name !== undefined && { name }) };
}

function nested(part: Fields, name: string): Fields {
  return required(part, name, part.object(name));
}

function required<T>(fields: Fields, name: string, value: T | undefined): T {
  if (value === undefined) throw new CallError(`${fields.at}.${name}: is required`);
  return value;
}
