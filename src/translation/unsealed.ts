/** A thought as it was shown, and where the client gave it back. */
export interface ShownThought {
  readonly at: string;
  readonly text: string;
}

/**
 * The first of the thoughts that no seal holds; undefined = each is in what was sealed, where they stand in the order in
 * which they were shown. Each search begins where the one before it ended, so that all of them read the text once.
 */
export function firstUnsealed(shown: readonly ShownThought[], sealed: string): ShownThought | undefined {
  let from = 0;
  return shown.find(({ text }) => {
    const found = sealed.indexOf(text, from);
    if (found >= 0) from = found + text.length;
    return found < 0;
  });
}
