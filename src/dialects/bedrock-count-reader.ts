import { AnswerDocuments, type DocumentSink } from './answer-documents.ts';
import { type AnswerReader, NO_USAGE } from './dialect.ts';
import { compilePaths } from './json-paths.ts';
import type { JsonToken, ScalarKind } from './json-token.ts';
import { TokenCounts } from './token-counts.ts';

const COUNTED = compilePaths(['inputTokens']);

/** `{"inputTokens": n}` (CountTokens), which is free. @throws never; see {@link AnswerReader}. */
export function bedrockCountReader(): AnswerReader {
  return new BedrockCountReader();
}

class BedrockCountReader implements AnswerReader, DocumentSink {
  readonly usage = NO_USAGE;
  readonly failure = undefined;
  readonly generatedBytes = 0;
  readonly atBoundary = false;
  private readonly counts = new TokenCounts();
  private readonly documents = new AnswerDocuments('json', COUNTED, this);

  get reported(): boolean {
    return this.counts.reported;
  }

  get suspicious(): boolean {
    return this.counts.suspicious;
  }

  get lost(): boolean {
    return this.documents.lost;
  }

  get complete(): boolean {
    return this.documents.closed && this.counts.reported;
  }

  push(chunk: Uint8Array): void {
    this.documents.push(chunk);
  }

  finish(): void {
    this.documents.finish();
    if (!this.counts.reported) this.documents.lost = true;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken): void {
    this.counts.hear(path, kind, token);
  }

  open(): void {
    this.counts.suspicious = true;
  }

  close(): void {}

  document(): void {
    this.counts.accept();
  }

  drop(): void {
    this.counts.drop();
  }
}
