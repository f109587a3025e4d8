/**
 * `npm run join`: joins what `npm start` loads, of dist/ and node_modules, in a few files below dist/joined. Node 20
 * reads them in half the time that it takes for three thousand (docs/decisions/014). The compiler has done its work
 * before: decorators and their metadata are as it wrote them.
 */
import { build } from 'esbuild';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
/** As deep as dist/src/cli and its neighbours: files of the repository are found from both by the same way. */
const folder = 'dist/joined/cli';
/** What is started, as the compiler wrote it. */
const entries = ['dist/src/cli/start.js', 'dist/src/cli/worker.js'];

/**
 * It asks for typeorm by a `require` of its own making, which esbuild cannot follow: the whole of typeorm would be
 * loaded a second time, from node_modules.
 */
const oneTypeorm = {
  name: 'one typeorm',
  setup(build) {
    build.onLoad({ filter: /@nestjs\/typeorm\/dist\/common\/typeorm-compat\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const made = 'const require = createRequire(import.meta.url);';
      if (!text.includes(made))
        throw new Error('@nestjs/typeorm asks for typeorm in another way than it did');
      return { contents: text.replace(made, ''), loader: 'js' };
    });
  },
};

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: entries,
  outdir: folder,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  // No `keepNames`: it names each function as it is made, closures of a request too, for a third of a request's CPU.
  // Nothing is minified, so that names stay, those of migrations' classes too.
  external: [
    // Loaded when the first account asks for it.
    '@aws-sdk/*',
    // Files that are served, found by where the package lies.
    'swagger-ui-dist',
    // Optional parts of packages, not installed: what asks for them catches that they are absent.
    '@fastify/static',
    '@nestjs/microservices',
    '@nestjs/microservices/*',
    '@nestjs/websockets/*',
    'class-transformer/storage',
    'pg-native',
  ],
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
  plugins: [oneTypeorm],
  // The OpenAPI plugin of the compiler says some things twice.
  logOverride: { 'duplicate-object-key': 'silent' },
  logLevel: 'warning',
  write: false,
});

const files = outputFiles.map(({ path, text }) => ({ path, text: withOneName(text) }));
await mkdir(join(root, folder), { recursive: true });
// What is started stands last: a relay that runs may start a worker at any moment.
const isEntry = ({ path }) => entries.some((entry) => basename(entry) === basename(path));
for (const wanted of [false, true]) {
  const some = files.filter((file) => isEntry(file) === wanted);
  await Promise.all(some.map(({ path, text }) => writeFile(path, text)));
}

// Of earlier joins, for the same reason not before.
const written = new Set(outputFiles.map(({ path }) => basename(path)));
for (const name of await readdir(join(root, folder))) {
  if (!written.has(name)) await rm(join(root, folder, name));
}

/**
 * esbuild hands over each module of CommonJS as an object with one property, named by the module's path. V8 keeps up to
 * 1,536 names for the first property of a literal that has one; then each other such literal has a shape of its own,
 * which is known to nobody who reads it. More than a thousand modules took nearly all of them, so they share one name.
 */
function withOneName(text) {
  const renamed = text.replace(/(?<=\b__(?:commonJS|esm)\(\{\n\s*(?:async )?)"[^"\n]+"(?=\()/g, '"module"');
  if (/^ +"[^"\n]*node_modules[^"\n]*"\(/m.test(renamed))
    throw new Error('esbuild wraps modules in another way than it did');
  return renamed;
}
