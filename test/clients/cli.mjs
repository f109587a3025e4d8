/**
 * The vendors' command line tools, unmodified, through a relay to every kind of account, each with a call of a tool. They
 * are not installed by `npm ci`: see README.md beside this file.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const CLIENTS = resolve(process.argv[2] ?? 'clients');
const ONLY = process.argv[3];
const ADMIN_TOKEN = `ra_${randomBytes(32).toString('base64url')}`;

const SONNET = 'claude-sonnet-5';
const BEDROCK_SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const CLAUDE_CODE = [
  ['a Claude account', 'claude', { apiKey: 'sk-ant-sim-cli' }, SONNET, undefined],
  ['a console account', 'claude-console', { apiKey: 'sk-ant-sim-cli' }, SONNET, undefined],
  ['Bedrock', 'bedrock', { region: 'us-east-1', apiKey: 'bedrock-api-key-sim-cli' }, undefined, undefined],
  ['a CCR account', 'ccr', { apiKey: 'sk-ant-sim-cli' }, SONNET, undefined],
  ['a Gemini account', 'gemini', { apiKey: 'gemini-sim-cli' }, 'gemini-3.5-flash', undefined],
  ['an OpenAI-compatible account', 'openai-compatible', { apiKey: 'sk-sim-cli' }, 'gpt-5-mini', '/v1'],
];
const GEMINI_CLI = [
  ['a Gemini account', 'gemini', { apiKey: 'gemini-sim-cli' }, 'gemini-3.5-flash', undefined],
  ['a Claude account', 'claude', { apiKey: 'sk-ant-sim-cli' }, SONNET, undefined],
];

const port = async () =>
  new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => found(free));
    });
  });

const home = await mkdtemp(join(tmpdir(), 'relay-cli-'));
const [simulatorPort, relayPort, routerPort] = [await port(), await port(), await port()];
const simulator = `http://127.0.0.1:${simulatorPort}`;
const relay = `http://127.0.0.1:${relayPort}`;
const router = `http://127.0.0.1:${routerPort}`;
const running = [];

/** Claude Code Router itself wants a newer Node than the relay does: it is installed beside one. */
const CCR = join(CLIENTS, 'ccr/node_modules');
const CCR_ITSELF = [
  'Claude Code Router itself',
  'ccr',
  { apiKey: 'ccr-secret' },
  'ccr,sim,claude-sonnet-5',
  '',
];

function launch(node, script, env, args = []) {
  const child = spawn(node, [script, ...args], {
    cwd: home,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.push(child);
}

function start(entry, env, args) {
  launch(process.execPath, join(ROOT, 'dist/src', entry), env, args);
}

/** The real router before the simulator, which it asks as its only provider. */
async function startRouter() {
  const folder = join(home, '.claude-code-router');
  await mkdir(folder, { recursive: true });
  const provider = {
    name: 'sim',
    api_base_url: `${simulator}/v1/messages`,
    api_key: 'sk-ant-sim-router',
    models: [SONNET],
    transformer: { use: ['Anthropic'] },
  };
  const settings = {
    HOST: '127.0.0.1',
    PORT: routerPort,
    APIKEY: 'ccr-secret',
    LOG: false,
    NON_INTERACTIVE_MODE: true,
    Providers: [provider],
    Router: { default: `sim,${SONNET}` },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(settings));
  const script = join(CCR, '@musistudio/claude-code-router/dist/cli.js');
  launch(join(CCR, 'node/bin/node'), script, { HOME: home }, ['start']);
  await until(`${router}/health`);
}

async function until(url) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (
      await fetch(url)
        .then((answer) => answer.ok)
        .catch(() => false)
    )
      return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${url} does not answer`);
}

async function admin(method, path, body) {
  const answer = await fetch(`${relay}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

function run(command, args, env) {
  return new Promise((done) => {
    const child = spawn(join(CLIENTS, 'node_modules/.bin', command), args, {
      cwd: join(home, 'work'),
      env: { PATH: process.env.PATH, HOME: home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece) => (out += piece));
    child.stderr.on('data', (piece) => (err += piece));
    const clock = setTimeout(() => child.kill('SIGKILL'), 120_000);
    child.on('close', (code) => {
      clearTimeout(clock);
      done({ code, out: out.trim(), err: err.trim() });
    });
  });
}

/** One tool on one account: the tool must have been called and its result answered, and the model's last words be about its result. */
async function rehearse(title, one, command, argsOf, env) {
  const [, kind, credentials, model, path = ''] = one;
  const account = await admin('POST', '/accounts', {
    name: `${kind}-${Date.now()}`,
    kind,
    baseUrl: one === CCR_ITSELF ? router : simulator + path,
    credentials,
    // Whatever the tool asks for is served: its side calls name models of their own.
    ...(model && { models: { map: Object.fromEntries(NAMES.map((name) => [name, model])) } }),
  });
  const { key, id } = await admin('POST', '/keys', {
    name: title,
    scopes: ['claude', 'gemini', 'bedrock'],
    models: ['*'],
    accounts: [account.id],
  });
  await fetch(`${simulator}/_simulator`, { method: 'DELETE' });
  const { code, out, err } = await run(command, argsOf(), env(key));
  const seen = await (await fetch(`${simulator}/_simulator/requests?bodies=1`)).text();
  const rows = (await admin('GET', '/requests?limit=50')).items.filter((row) => row.key.id === id);
  const whole = rows.filter((row) => row.outcome === 'completed').length;
  // The simulated model repeats what the tool answered, so that its last words show the second turn.
  const ok = code === 0 && /tool_use_error|listing|directory|not found|error/i.test(out) && whole >= 2;
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${title}: exit ${code}, ${rows.length} ledger rows, says "${out.slice(-60)}"`,
  );
  if (!ok)
    console.log(
      err.slice(-2000),
      rows.map((row) => [row.model, row.outcome, row.status, row.reason]),
      seen.slice(-1500),
    );
  await admin('DELETE', `/keys/${id}`);
  await admin('DELETE', `/accounts/${account.id}`);
  return ok;
}

/** Names that the tools ask for by themselves, beside the one they are told. */
const NAMES = [
  SONNET,
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-opus-5',
  'gemini-3.5-flash',
  'gemini-3.8-flash',
  'gemini-2.5-pro',
  'gemini-2.5-flash',
  'gemini-2.5-flash-lite',
];

try {
  await mkdir(join(home, 'work/.gemini'), { recursive: true });
  await mkdir(join(home, '.gemini'), { recursive: true });
  const auth = { security: { auth: { selectedType: 'gemini-api-key' } } };
  await writeFile(join(home, '.gemini/settings.json'), JSON.stringify(auth));
  await writeFile(join(home, 'work/notes.txt'), 'There is nothing here.\n');
  start('simulator/main.js', {}, ['--port', String(simulatorPort)]);
  start('cli/start.js', {
    PORT: String(relayPort),
    RELAY_DATA_DIR: join(home, 'data'),
    RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
    RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
    RELAY_LOG_LEVEL: 'error',
  });
  await Promise.all([until(`${simulator}/_simulator/state`), until(`${relay}/health/ready`)]);

  const results = [];
  if (existsSync(CCR)) {
    await startRouter();
    CLAUDE_CODE.push(CCR_ITSELF);
  }
  for (const one of CLAUDE_CODE) {
    if (ONLY !== undefined && !`claude ${one[0]}`.includes(ONLY)) continue;
    const prompt = 'Use the Read tool on notes.txt.[[sim: tool=Read]]';
    const asked = one === CCR_ITSELF ? `ccr,sim,${SONNET}` : SONNET;
    const args = () => ['-p', prompt, '--model', asked, '--allowedTools', 'Read'];
    const env = (key) => ({
      ANTHROPIC_BASE_URL: relay,
      ANTHROPIC_AUTH_TOKEN: key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    });
    results.push(await rehearse(`claude on ${one[0]}`, one, 'claude', args, env));
  }
  const bedrockMode = 'claude in Bedrock mode';
  if (ONLY === undefined || bedrockMode.includes(ONLY)) {
    const bedrock = CLAUDE_CODE.find(([, kind]) => kind === 'bedrock');
    const prompt = 'Use the Read tool on notes.txt.[[sim: tool=Read]]';
    const args = () => ['-p', prompt, '--model', BEDROCK_SONNET, '--allowedTools', 'Read'];
    const env = (key) => ({
      CLAUDE_CODE_USE_BEDROCK: '1',
      ANTHROPIC_BEDROCK_BASE_URL: `${relay}/bedrock`,
      AWS_BEARER_TOKEN_BEDROCK: key,
      AWS_REGION: 'us-east-1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    });
    results.push(await rehearse(bedrockMode, bedrock, 'claude', args, env));
  }
  for (const one of GEMINI_CLI) {
    if (ONLY !== undefined && !`gemini ${one[0]}`.includes(ONLY)) continue;
    const prompt = 'Use the tool list_directory.[[sim: tool=list_directory]]';
    const args = () => ['-p', prompt, '-m', 'gemini-3.5-flash', '-y'];
    const env = (key) => ({
      GOOGLE_GEMINI_BASE_URL: relay,
      GEMINI_API_KEY: key,
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
      NO_COLOR: '1',
    });
    results.push(await rehearse(`gemini on ${one[0]}`, one, 'gemini', args, env));
  }
  process.exitCode = results.length > 0 && results.every(Boolean) ? 0 : 1;
} finally {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(running.map((child) => new Promise((done) => child.on('close', done))));
  await rm(home, { recursive: true, force: true });
}
