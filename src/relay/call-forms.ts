import type { Call, DialectName } from '../dialects/dialect.ts';
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
  private native: Promise<SentCall> | undefined;
  private own: SentCall | undefined;
  private translations: Map<string, SentCall | Error> | undefined;

  constructor(private readonly call: Call) {}

  /** Rejects with a CallError naming the client's field that this dialect cannot say. */
  of(dialect: DialectName, model: string): Promise<SentCall> {
    if (dialect === this.call.dialect) return (this.native ??= this.untranslated());
    return this.translation(dialect, model);
  }

  /** Lets every body go; no attempt can need one again. */
  forget(): void {
    this.call.body = EMPTY;
    if (this.own !== undefined) this.own.call.body = EMPTY;
    if (this.translations === undefined) return;
    for (const made of this.translations.values()) if (!(made instanceof Error)) made.call.body = EMPTY;
  }

  private async untranslated(): Promise<SentCall> {
    const { call, edits, filter } = await nativeCall(this.call);
    return (this.own = { call, edits, ...(filter && { answer: () => filter() }) });
  }

  private async translation(dialect: DialectName, model: string): Promise<SentCall> {
    const name = `${dialect} ${model}`;
    const all = (this.translations ??= new Map<string, SentCall | Error>());
    const made = all.get(name) ?? this.translated(dialect, model);
    all.set(name, made);
    if (made instanceof Error) throw made;
    return made;
  }

  private translated(dialect: DialectName, model: string): SentCall | Error {
    try {
      return translate(this.call, dialect, model);
    } catch (error) {
      return error instanceof Error ? error : new Error('The call cannot be translated');
    }
  }
}
