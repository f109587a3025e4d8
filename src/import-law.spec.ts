import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/**
 * The law of the house: which room may import from which. Entries (`main.ts`, `cli/`, `openapi/`) may import all.
 * `dialects`, `h2c` and `simulator` import nothing of ours; arrows go one way; there are no cycles between files.
 */
const LOW = ['config', 'errors', 'dialects', 'telemetry'];
const LAW: Readonly<Record<string, readonly string[]>> = {
  config: [],
  errors: ['dialects'],
  dialects: [],
  simulator: [],
  h2c: [],
  translation: ['dialects'],
  access: LOW,
  telemetry: ['config', 'dialects', 'errors'],
  database: LOW.concat('migrations'),
  upstream: LOW,
  health: LOW.concat('access', 'database'),
  admin: LOW.concat('access', 'database'),
  keys: LOW.concat('access', 'database', 'admin'),
  accounts: LOW.concat('access', 'database', 'admin', 'upstream'),
  spool: LOW,
  scheduler: LOW.concat('database', 'health', 'spool'),
  usage: LOW.concat('access', 'database', 'admin', 'keys', 'upstream', 'scheduler'),
  relay: LOW.concat(
    'translation',
    'access',
    'database',
    'keys',
    'upstream',
    'accounts',
    'scheduler',
    'usage',
  ),
  explain: LOW.concat('database', 'admin', 'keys', 'upstream', 'accounts', 'scheduler', 'usage', 'relay'),
  claude: LOW.concat('access', 'keys', 'upstream', 'relay'),
  gemini: LOW.concat('access', 'keys', 'upstream', 'relay'),
  openai: LOW.concat('access', 'keys', 'upstream', 'relay'),
  bedrock: LOW.concat('access', 'keys', 'upstream', 'relay'),
  root: LOW.concat('access', 'keys', 'relay'),
  workers: LOW.concat('health'),
};
const ENTRIES = new Set(['', 'cli', 'openapi']);

const src = resolve(import.meta.dirname);
const files = (readdirSync(src, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(src, name));

/** First folder under src, or under the repository for what lies outside src (`migrations`). */
const room = (file: string): string =>
  relative(src, dirname(file))
    .replace(/^\.\.\//, '')
    .split('/')[0] ?? '';

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/g);
  return [...found].map(([, path]) => resolve(dirname(file), path as string));
}

describe('the import law', () => {
  it('lets every room import only from the rooms below it', () => {
    const broken = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => room(target) !== room(file) && !ENTRIES.has(room(file)))
        .filter((target) => LAW[room(file)]?.includes(room(target)) !== true)
        .map((target) => `${relative(src, file)} imports ${relative(src, target)}`),
    );
    expect(broken).toEqual([]);
  });

  it('has no cycles between files', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...trail, file].map((step) => relative(src, step)).join(' → '));
        return;
      }
      state.set(file, 'open');
      if (files.includes(file)) for (const target of importsOf(file)) visit(target, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps process.env in config and the entries, and SQL in its places', () => {
    const code = files.filter((file) => !file.endsWith('.spec.ts') && !ENTRIES.has(room(file)));
    const env = code.filter(
      (file) => room(file) !== 'config' && /\bprocess\.env\b/.test(readFileSync(file, 'utf8')),
    );
    const sql = code.filter(
      (file) =>
        !/\/sql\/|\.repository\.ts$/.test(file) &&
        /[`'"]\s*(select\s+[\w.*(]|insert\s+into|update\s+\w+\s+set|delete\s+from)\b/i.test(
          readFileSync(file, 'utf8'),
        ),
    );
    expect(env.concat(sql).map((file) => relative(src, file))).toEqual([]);
  });

  it('has no barrels and no file named after nothing', () => {
    const nameless = /\/(index|utils?|helpers?|common|constants|interfaces)\.ts$/;
    expect(files.filter((file) => nameless.test(file))).toEqual([]);
  });
});
