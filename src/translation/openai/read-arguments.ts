import { CallError } from '../../dialects/dialect.ts';
import { Fields } from '../fields.ts';

/** `arguments` of a call: JSON text, which a model may have left unfinished; every vendor wants an object. */
export function readArguments(called: Fields): string {
  const text = called.text('arguments') ?? '';
  if (text.trim() === '') return '{}';
  const at = `${called.at}.arguments`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CallError(`${at}: must be JSON`);
  }
  Fields.of(value, at);
  return text;
}
