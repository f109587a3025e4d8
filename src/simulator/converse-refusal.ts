import { isRecord, Refusal } from './exchange.ts';

/** Converse's words for what is wrong with a request's shape. */

export type Member = readonly [kind: string, value: unknown];

/** Names of tools and ids of their calls (AWS Bedrock API reference, ToolSpecification and ToolUseBlock). */
export const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** The one member of a union. @throws Refusal */
export function oneOf(value: unknown, where: string, known: ReadonlySet<string>): Member {
  const members = isRecord(value) ? Object.entries(value) : [];
  const [first] = members;
  if (members.length !== 1 || first === undefined || !known.has(first[0])) {
    throw new Refusal(
      400,
      `The format of the value at ${where} is invalid. Provide a json object for the field and try again: exactly one of ${[...known].join(', ')}.`,
    );
  }
  return first;
}

export function constraint(at: string, what: string): Refusal {
  return new Refusal(
    400,
    `1 validation error detected: Value at '${at}' failed to satisfy constraint: ${what}`,
  );
}

export function unknown(name: string): Refusal {
  return new Refusal(400, `${name}: no such member in the request's model`);
}
