import { randomUUID } from 'node:crypto';
import type { NeutralEvent } from '../neutral.ts';
import { objectIn, textIn } from './answer-fields.ts';
import { isReason, stopOf } from './finish-reasons.ts';

/**
 * A Gemini answer as events, one GenerateContentResponse after another; a whole document is the only one.
 *
 * States: nothing came yet; no part is open; a text or a thought is, which the next frame may go on with; failed. The
 * reason is kept to the end, for older models give one with every frame. Of several candidates the first counts: the
 * relay never asks for more. Parts of Google's own tools come only where they were asked for, which no translation does.
 */
export class GeminiEvents {
  private started = false;
  private open: 'text' | 'thinking' | undefined;
  private calls = 0;
  private id = '';
  private stop: { readonly reason: string; readonly message: string | undefined } | undefined;
  private blocked: string | undefined;
  private failed = false;

  /** @throws Error when the document is not the dialect's */
  frame(document: unknown): readonly NeutralEvent[] {
    if (this.failed) return [];
    const error = objectIn(document, 'error');
    if (error !== undefined) return this.failure(error);
    const candidates = (document as { readonly candidates?: unknown } | null)?.candidates;
    const feedback = objectIn(document, 'promptFeedback');
    const usage = objectIn(document, 'usageMetadata');
    if (candidates === undefined && feedback === undefined && usage === undefined) {
      throw new Error('A frame of the answer is no GenerateContentResponse');
    }
    const events = this.start(document);
    const blocked = textIn(feedback, 'blockReason');
    if (isReason(blocked)) this.blocked = blocked;
    const list: readonly unknown[] = Array.isArray(candidates) ? candidates : [];
    const first = list.find((one) => ((one as { index?: number } | null)?.index ?? 0) === 0);
    const parts: unknown = objectIn(first, 'content')?.['parts'];
    for (const part of Array.isArray(parts) ? (parts as unknown[]) : []) events.push(...this.part(part));
    const reason = textIn(first, 'finishReason');
    if (isReason(reason)) this.stop = { reason, message: textIn(first, 'finishMessage') };
    return events;
  }

  /** @throws Error when there was no answer, or none that ended */
  finish(): readonly NeutralEvent[] {
    if (this.failed) return [];
    if (!this.started) throw new Error('The answer is empty');
    return [...this.close(), this.stopped(), { type: 'end' }];
  }

  private start(document: unknown): NeutralEvent[] {
    if (this.started) return [];
    this.started = true;
    this.id = textIn(document, 'responseId') ?? '';
    return [{ type: 'start', id: this.id, model: textIn(document, 'modelVersion') }];
  }

  private part(part: unknown): readonly NeutralEvent[] {
    const call = objectIn(part, 'functionCall');
    const signature = textIn(part, 'thoughtSignature');
    const seal: readonly NeutralEvent[] =
      signature === undefined || signature === ''
        ? []
        : [{ type: 'signature', signature: { minted: 'google', value: signature } }];
    if (call !== undefined) {
      this.calls += 1;
      const delta = JSON.stringify(objectIn(call, 'args') ?? {});
      return [
        ...this.close(),
        {
          type: 'part',
          part: 'tool-call',
          id: textIn(call, 'id') || this.callId(),
          name: textIn(call, 'name') ?? '',
        },
        { type: 'delta', text: delta },
        ...seal,
        { type: 'part-end' },
      ];
    }
    const media = objectIn(part, 'inlineData');
    if (media !== undefined) {
      const mediaType = textIn(media, 'mimeType') ?? 'application/octet-stream';
      const data = textIn(media, 'data') ?? '';
      return [
        ...this.close(),
        { type: 'part', part: 'media', mediaType, data },
        ...seal,
        { type: 'part-end' },
      ];
    }
    return this.text(part, seal);
  }

  /** Pieces of one kind are one part, up to a signature, which is over what came before it. */
  private text(part: unknown, seal: readonly NeutralEvent[]): readonly NeutralEvent[] {
    const text = textIn(part, 'text');
    if (text === undefined || (text === '' && seal.length === 0)) return [];
    const kind = (part as { readonly thought?: unknown }).thought === true ? 'thinking' : 'text';
    const events: NeutralEvent[] = [];
    if (this.open !== kind) {
      events.push(...this.close(), { type: 'part', part: kind });
      this.open = kind;
    }
    if (text !== '') events.push({ type: 'delta', text });
    return seal.length === 0 ? events : [...events, ...seal, ...this.close()];
  }

  private close(): readonly NeutralEvent[] {
    if (this.open === undefined) return [];
    this.open = undefined;
    return [{ type: 'part-end' }];
  }

  /** Gemini 2 gives its calls no ids, and every other dialect needs them: unique by the answer's own id. */
  private callId(): string {
    const answer = this.id.replace(/[^A-Za-z0-9_-]/g, '') || randomUUID().replaceAll('-', '');
    return `call_${answer}_${this.calls}`;
  }

  private stopped(): NeutralEvent {
    if (this.stop === undefined) {
      if (this.blocked === undefined) throw new Error('The answer has no finishReason');
      return { type: 'stop', reason: 'blocked', detail: this.blocked };
    }
    const { reason, message } = this.stop;
    const stop = stopOf(reason, this.calls > 0);
    if (stop !== 'filtered') return { type: 'stop', reason: stop };
    return { type: 'stop', reason: stop, detail: message === undefined ? reason : `${reason}: ${message}` };
  }

  private failure(error: Readonly<Record<string, unknown>>): readonly NeutralEvent[] {
    this.failed = true;
    const code = error['code'];
    const status = typeof code === 'number' && code >= 400 && code <= 599 ? { status: code } : {};
    const type = textIn(error, 'status') || 'UNKNOWN';
    return [{ type: 'error', failure: { type, message: textIn(error, 'message') ?? '', ...status } }];
  }
}
