import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The absolute path of something in the repository. */
export function inRepository(path: string): string {
  return join(ROOT, path);
}

export function isInRepository(path: string): boolean {
  return existsSync(inRepository(path));
}

export function readText(path: string): string {
  return readFileSync(inRepository(path), 'utf8');
}

export function readJson<Shape>(path: string): Shape {
  return JSON.parse(readText(path)) as Shape;
}
