import type { Call } from '../dialects/dialect.ts';
import type { NativeCall } from './native-call.ts';
import { nativeOpenai } from './native-openai.ts';
import { withoutForeignSignatures } from './native-signatures.ts';

/** By the call's dialect; grows with what a dialect needs. */
export function nativeCall(call: Call): Promise<NativeCall> {
  return call.dialect === 'openai' ? nativeOpenai(call) : withoutForeignSignatures(call);
}
