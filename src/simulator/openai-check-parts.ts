import { isRecord } from './exchange.ts';
import { only } from './openai-check-tools.ts';
import { invalid, missing, wrongType, wrongValue } from './openai-error.ts';

type Json = Readonly<Record<string, unknown>>;

/** Content parts by the message's role (`ChatCompletionContentPart` and its kin in openai 6.49). */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  user: ['text', 'image_url', 'input_audio', 'file'],
  assistant: ['text', 'refusal'],
};
const TEXT_ONLY = ['text'];
const DETAILS = ['low', 'high', 'original', 'auto'];
const MARK = 'prompt_cache_breakpoint';

/** First bytes of the formats that the API takes. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  png: ['89504e47'],
  jpeg: ['ffd8ff'],
  gif: ['47494638'],
  webp: ['52494646'],
};

/** @throws OpenaiRefusal naming the field */
export function checkPart(part: unknown, at: string, role: string, message: string): void {
  if (!isRecord(part)) throw wrongType(at, 'an object', part);
  const { type } = part;
  if (type === undefined) throw missing(`${at}.type`);
  if (type === 'image_url' && role !== 'user') {
    throw invalid(
      message,
      'invalid_value',
      `Invalid '${message}'. Image URLs are only allowed for messages with role 'user', but this message with role '${role}' contains an image URL.`,
    );
  }
  const types = TYPES[role] ?? TEXT_ONLY;
  if (typeof type !== 'string' || !types.includes(type)) throw wrongValue(`${at}.type`, type, types);
  only(part, ['type', type, MARK], at);
  const told = part[type];
  if (told === undefined) throw missing(`${at}.${type}`);
  switch (type) {
    case 'image_url':
      return checkImage(told, `${at}.image_url`);
    case 'file':
      return checkFile(told, `${at}.file`);
    case 'input_audio':
      return checkAudio(told, `${at}.input_audio`);
    default:
      if (typeof told !== 'string') throw wrongType(`${at}.${type}`, 'a string', told);
  }
}

function checkImage(image: unknown, at: string): void {
  if (!isRecord(image)) throw wrongType(at, 'an object', image);
  only(image, ['url', 'detail'], at);
  const { url, detail } = image;
  if (url === undefined) throw missing(`${at}.url`);
  if (typeof url !== 'string') throw wrongType(`${at}.url`, 'a string', url);
  if (detail !== undefined && !DETAILS.includes(detail as string)) {
    throw wrongValue(`${at}.detail`, detail, DETAILS);
  }
  if (/^https?:\/\/./.test(url)) return;
  const [, mediaType, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  if (mediaType === undefined || data === undefined) {
    throw invalid(
      `${at}.url`,
      'invalid_value',
      `Invalid '${at}.url'. Expected a valid URL, but got a value with an invalid format.`,
    );
  }
  if (!isBase64(data)) throw invalid(`${at}.url`, 'invalid_base64', 'Invalid base64 image_url.');
  const first = Buffer.from(data, 'base64').toString('hex', 0, 4);
  const known = Object.values(FORMATS).some((starts) => starts.some((start) => first.startsWith(start)));
  if (!known || !/^image\/(png|jpe?g|gif|webp)$/.test(mediaType)) {
    throw invalid(
      `${at}.url`,
      'image_parse_error',
      "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
    );
  }
}

/** Documents as PDF, by data URL with a name, or by the id of an uploaded file. */
function checkFile(file: unknown, at: string): void {
  if (!isRecord(file)) throw wrongType(at, 'an object', file);
  only(file, ['file_data', 'file_id', 'filename'], at);
  const { file_data: data, file_id: id, filename } = file as Json;
  if (data === undefined) {
    if (typeof id !== 'string') throw missing(`${at}.file_id`);
    throw invalid(`${at}.file_id`, 'invalid_value', `No such File object: ${id}`);
  }
  if (typeof data !== 'string') throw wrongType(`${at}.file_data`, 'a string', data);
  if (typeof filename !== 'string' || filename === '') throw missing(`${at}.filename`);
  const [, mediaType, bytes] = /^data:([^;,]*);base64,(.*)$/s.exec(data) ?? [];
  if (mediaType !== 'application/pdf' || bytes === undefined || !isBase64(bytes)) {
    const got = mediaType === undefined ? 'a value without it' : `unsupported MIME type '${mediaType}'`;
    throw invalid(
      `${at}.file_data`,
      'invalid_value',
      `Invalid file data: '${at}.file_data'. Expected a base64-encoded data URL with an application/pdf MIME type (e.g. 'data:application/pdf;base64,aW1nIGJ5dGVzIGhlcmU='), but got ${got}.`,
    );
  }
}

function checkAudio(audio: unknown, at: string): void {
  if (!isRecord(audio)) throw wrongType(at, 'an object', audio);
  only(audio, ['data', 'format'], at);
  if (typeof audio['data'] !== 'string') throw missing(`${at}.data`);
  const { format } = audio;
  if (format !== 'wav' && format !== 'mp3') throw wrongValue(`${at}.format`, format, ['wav', 'mp3']);
}

function isBase64(text: string): boolean {
  return text !== '' && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}
