import type { SimulatedRequest, Simulator } from '../../src/simulator/simulator.ts';

/** Calls that the simulator answers as a directive says, as the bytes of their bodies. */

export const CLAUDE_MODEL = 'claude-sonnet-5';
export const GEMINI_MODEL = 'gemini-2.5-flash';
export const MESSAGES = '/v1/messages';
export const STREAM = `/v1beta/models/${GEMINI_MODEL}:streamGenerateContent`;

/** A body for {@link MESSAGES}; its prompt is sixteen bytes long beside the directive, which is not counted. */
export function message(directive: string, more: Readonly<Record<string, unknown>> = {}): string {
  const content = `sixteen letters.[[sim: ${directive}]]`;
  const messages = [{ role: 'user', content }];
  return JSON.stringify({ model: CLAUDE_MODEL, max_tokens: 500, ...more, messages });
}

/** A body for {@link STREAM}, with the same prompt. */
export function contents(directive: string): string {
  return JSON.stringify({ contents: [{ parts: [{ text: `sixteen letters.[[sim: ${directive}]]` }] }] });
}

/** What came last. @throws Error when nothing has */
export function lastSeen(simulator: Simulator): SimulatedRequest {
  const seen = simulator.requests.at(-1);
  if (seen === undefined) throw new Error('The simulator saw no request');
  return seen;
}
