/** Just enough of .dockerignore: `*`, `**`, `!`; the last pattern that matches the path or a folder above it decides. */

function patternExpression(pattern: string): RegExp {
  const text = pattern
    .split('/')
    .map((part) =>
      part === '**'
        ? '**'
        : part
            .replace(/[.+^${}()|[\]\\]/g, '\\$&')
            .replaceAll('*', '[^/]*')
            .replaceAll('?', '[^/]'),
    )
    .join('/')
    .replaceAll('**/', '(?:.*/)?');
  return new RegExp(`^${text}(?:/.*)?$`);
}

/** Whether `path` (relative, with slashes) is kept from the build by the text of a .dockerignore. */
export function isIgnored(path: string, dockerignore: string): boolean {
  let ignored = false;
  for (const line of dockerignore.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const included = line.startsWith('!');
    if (patternExpression(included ? line.slice(1) : line).test(path)) ignored = !included;
  }
  return ignored;
}
