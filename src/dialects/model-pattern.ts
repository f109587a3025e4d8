/**
 * Whether `model` matches `pattern`, where `*` stands for any run of characters and everything else for itself,
 * case and all. Each literal piece is looked for once, from left to right: no backtracking, no regular expression.
 */
export function matchesPattern(pattern: string, model: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === model;

  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  const last = pieces[pieces.length - 1] ?? '';
  if (model.length < first.length + last.length) return false;
  if (!model.startsWith(first) || !model.endsWith(last)) return false;

  const end = model.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = model.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

export function matchesAny(patterns: readonly string[], model: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, model));
}
