import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { MediaPart } from '../neutral.ts';

/** Formats by media type (AWS Bedrock API reference: ImageBlock, DocumentBlock, AudioBlock, VideoBlock). */
const FORMATS: Readonly<Record<MediaPart['type'], Readonly<Record<string, string>>>> = {
  image: { 'image/png': 'png', 'image/jpeg': 'jpeg', 'image/gif': 'gif', 'image/webp': 'webp' },
  document: {
    'application/pdf': 'pdf',
    'text/csv': 'csv',
    'application/msword': 'doc',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
    'application/vnd.ms-excel': 'xls',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
    'text/html': 'html',
    'text/plain': 'txt',
    'text/markdown': 'md',
  },
  audio: {
    'audio/mpeg': 'mp3',
    'audio/mp3': 'mp3',
    'audio/wav': 'wav',
    'audio/x-wav': 'wav',
    'audio/aac': 'aac',
    'audio/flac': 'flac',
    'audio/ogg': 'ogg',
    'audio/opus': 'opus',
    'audio/mp4': 'mp4',
    'audio/webm': 'webm',
  },
  video: {
    'video/mp4': 'mp4',
    'video/webm': 'webm',
    'video/quicktime': 'mov',
    'video/x-matroska': 'mkv',
    'video/x-flv': 'flv',
    'video/mpeg': 'mpeg',
    'video/x-ms-wmv': 'wmv',
    'video/3gpp': 'three_gp',
  },
};

const DOCUMENT = 'document';
/** The longest name is 200 characters; a number may come behind. */
const LONGEST_NAME = 190;

/**
 * Media blocks of one conversation. State: the names of its documents, which are told apart by them, and how often each
 * was wished.
 */
export class MediaWriter {
  private readonly names = new Set<string>();
  private readonly wishes = new Map<string, number>();

  constructor(private readonly edits: Set<string>) {}

  /** @throws CallError naming the part */
  write({ type, at, media, name, detail }: MediaPart): Readonly<Record<string, unknown>> {
    if (media.from === 'url')
      throw cannot(at, 'is given by its URL, which the account’s models do not fetch');
    if (detail !== undefined && detail !== 'auto') this.edits.add(leftOut(`${at}.detail`));
    const mediaType =
      media.from === 'text' ? 'text/plain' : media.mediaType.split(';', 1)[0]!.trim().toLowerCase();
    const format = Object.hasOwn(FORMATS[type], mediaType) ? FORMATS[type][mediaType] : undefined;
    if (format === undefined) throw cannot(at, `is ${mediaType}, which the account’s models do not take`);
    const bytes = media.from === 'text' ? Buffer.from(media.text).toString('base64') : plain(media.data);
    const block = { format, source: { bytes } };
    if (type === DOCUMENT) return { document: { ...block, name: this.nameOf(name, at) } };
    if (name !== undefined) this.edits.add(leftOut(`${at}.title`));
    return { [type]: block };
  }

  /**
   * "Alphanumeric characters, whitespace characters (no more than one in a row), hyphens, parentheses, square brackets"
   * (DocumentBlock), and no name twice.
   */
  private nameOf(title: string | undefined, at: string): string {
    const words = (title ?? '').replaceAll(/[^A-Za-z0-9()[\]-]+/g, ' ').trim();
    const wished = words.slice(0, LONGEST_NAME).trimEnd() || DOCUMENT;
    let name = wished;
    let count = (this.wishes.get(wished) ?? 0) + 1;
    for (; this.names.has(name); count += 1) name = `${wished} (${count})`;
    this.wishes.set(wished, count);
    this.names.add(name);
    if (title !== undefined && title !== name) this.edits.add(leftOut(`${at}.title`));
    return name;
  }
}

/** Other vendors take base64 by the URL's alphabet and without padding as well; AWS does not. */
function plain(base64: string): string {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(base64) && base64.length % 4 === 0
    ? base64
    : Buffer.from(base64, 'base64').toString('base64');
}
