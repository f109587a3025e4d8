import type { NeutralRequest, Tool } from './neutral.ts';

/** The tools that the choice leaves, for a dialect that cannot name some of them in its choice. */
export function offeredTools({
  tools,
  toolChoice,
}: Pick<NeutralRequest, 'tools' | 'toolChoice'>): readonly Tool[] {
  const choice = toolChoice?.value;
  if (choice === undefined || choice.mode === 'one' || choice.only === undefined) return tools;
  const only = new Set(choice.only);
  return tools.filter(({ name }) => only.has(name));
}
