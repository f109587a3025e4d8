/** How `x-relay-edits` tells a field of the client's that is left out: by its own name, the last of its path. */
export function leftOut(at: string): string {
  return `left-out:${at.split('.').at(-1)!.replace(/\[.*$/, '')}`;
}
