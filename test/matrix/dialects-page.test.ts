import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { dialectsPage } from './dialects-page.ts';

const PAGE = join(import.meta.dirname, '../../docs/dialects.md');

it('docs/dialects.md says what the matrix runs', async () => {
  const options = await resolveConfig(PAGE);
  const page = await format(dialectsPage(), { ...options, parser: 'markdown' });
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
