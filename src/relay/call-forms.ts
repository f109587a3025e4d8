import type { Call, DialectName } from '../dialects/dialect.ts';
import type { NativeCall } from '../translation/native-call.ts';
import { nativeCall } from '../translation/native.ts';
import type { AnswerContext } from '../translation/neutral.ts';
import type { AnswerTranslator } from '../translation/translated-answer.ts';
import { translate } from '../translation/translation.ts';

const EMPTY = Buffer.alloc(0);

/** A call as one account is asked it. */
export interface SentCall {
  /** In the dialect that is spoken there. */
  readonly call: Call;
  /** By the names of `x-relay-edits`. */
  readonly edits: readonly string[];
  /** The way back, where the answer's bytes are not the client's as they come. */
  readonly answer?: (context: Omit<AnswerContext, 'request' | 'model'>) => AnswerTranslator;
}

/**
 * The forms that one call takes for the accounts that may serve it: its own bytes where they speak its dialect, a
 * translation elsewhere. Each is made once, when it is first asked for.
 */
export class CallForms {
  private readonly made = new Map<string, SentCall | Error>();
  private native: Promise<NativeCall> | undefined;

  constructor(private readonly call: Call) {}

  /** @throws CallError naming the client's field that this dialect cannot say */
  async of(dialect: DialectName, model: string): Promise<SentCall> {
    if (dialect === this.call.dialect) return this.own();
    const name = `${dialect} ${model}`;
    const made = this.made.get(name) ?? this.translated(dialect, model);
    this.made.set(name, made);
    if (made instanceof Error) throw made;
    return made;
  }

  /** Lets every body go; no attempt can need one again. */
  async forget(): Promise<void> {
    this.call.body = EMPTY;
    for (const made of this.made.values()) if (!(made instanceof Error)) made.call.body = EMPTY;
    const native = await this.native?.catch(() => undefined);
    if (native !== undefined) native.call.body = EMPTY;
  }

  private async own(): Promise<SentCall> {
    const { call, edits, filter } = await (this.native ??= nativeCall(this.call));
    return { call, edits, ...(filter && { answer: () => filter() }) };
  }

  private translated(dialect: DialectName, model: string): SentCall | Error {
    try {
      return translate(this.call, dialect, model);
    } catch (error) {
      return error instanceof Error ? error : new Error('The call cannot be translated');
    }
  }
}
