import type { BedrockModel } from './bedrock-models.ts';
import { constraint, oneOf } from './converse-refusal.ts';
import { isRecord, Refusal } from './exchange.ts';

/** Formats of images, documents, videos and sound (AWS Bedrock API reference: ImageBlock, DocumentBlock, …). */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  image: ['png', 'jpeg', 'gif', 'webp'],
  document: ['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md'],
  video: ['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv', 'three_gp'],
  audio: 'mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm'.split(' '),
};
export const MEDIA: ReadonlySet<string> = new Set(Object.keys(FORMATS));

/** Letters and digits, single white space, hyphens, parentheses, square brackets. */
const DOCUMENT_NAME = /^(?!.*\s{2})[\p{L}\p{N}\s()[\]-]{1,200}$/u;
const BAD_NAME =
  "The file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Models of text alone. */
const BLIND = /nova-micro|deepseek\.|gpt-oss/;

/** @throws Refusal naming the member */
export function checkMedia(kind: string, value: unknown, where: string, model?: BedrockModel): void {
  if (model !== undefined && BLIND.test(model.id)) {
    throw new Refusal(400, `This model doesn't support the ${kind} field. Remove ${kind} and try again.`);
  }
  const { format, source, name } = isRecord(value) ? value : {};
  const formats = FORMATS[kind] ?? [];
  const needed = kind !== 'document' || format !== undefined;
  if (needed && !formats.includes(String(format))) {
    throw constraint(`${where}.format`, `Member must satisfy enum value set: [${formats.join(', ')}]`);
  }
  if (kind === 'document' && !DOCUMENT_NAME.test(String(name))) throw new Refusal(400, BAD_NAME);
  const ways = ['bytes', 's3Location', ...(kind === 'document' ? ['text', 'content'] : [])];
  const [way, bytes] = oneOf(source, `${where}.source`, new Set(ways));
  if (way === 'bytes' && (typeof bytes !== 'string' || bytes === '' || !BASE64.test(bytes))) {
    throw new Refusal(400, `${where}.source.bytes: Expected base64`);
  }
}
