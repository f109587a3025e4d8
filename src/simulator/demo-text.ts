import type { LedgerRequest } from './demo-admin.ts';

/** The ledger rows of the demo's calls as a table with aligned columns. */
export function ledgerTable(rows: readonly LedgerRequest[]): string {
  const header = [
    'model',
    'account',
    'outcome',
    'input',
    'cache read',
    'cache write',
    'output',
    'cost (USD)',
  ];
  const lines = rows.map((row) => {
    const sum = (count: (attempt: LedgerRequest['attempts'][number]) => number): string =>
      String(row.attempts.reduce((total, attempt) => total + count(attempt), 0));
    return [
      row.model,
      row.attempts.map((attempt) => attempt.account.name).join(', '),
      row.outcome,
      sum((one) => one.inputTokens),
      sum((one) => one.cacheReadTokens),
      sum((one) => one.cacheWrite5mTokens + one.cacheWrite1hTokens),
      sum((one) => one.outputTokens),
      row.costUsd ?? 'unpriced',
    ];
  });
  const widths = header.map((name, n) => Math.max(name.length, ...lines.map((line) => line[n]?.length ?? 0)));
  const draw = (cells: readonly string[]): string =>
    `  ${cells.map((cell, n) => (n < 3 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join('  ')}`;
  const rule = `  ${widths.map((width) => '─'.repeat(width)).join('  ')}`;
  return `${[draw(header).trimEnd(), rule, ...lines.map(draw)].join('\n')}\n`;
}

/** Lines to paste into a terminal or a program. */
export function demoUsage(
  relayUrl: string,
  simulatorUrl: string,
  key: string,
  claude: string,
  gemini: string,
): string {
  const message = JSON.stringify({
    model: claude,
    max_tokens: 200,
    stream: true,
    messages: [{ role: 'user', content: 'Hello [[sim: every=100]]' }],
  });
  const contents = JSON.stringify({ contents: [{ parts: [{ text: 'Hello' }] }] });
  return `
The relay stays up at ${relayUrl}; this key is good until the next demo: ${key}

  curl, Claude
    curl -N ${relayUrl}/v1/messages -H 'x-api-key: ${key}' -H 'anthropic-version: 2023-06-01' \\
      -H 'content-type: application/json' -d '${message}'

  curl, Gemini
    curl '${relayUrl}/v1beta/models/${gemini}:generateContent' -H 'x-goog-api-key: ${key}' \\
      -H 'content-type: application/json' -d '${contents}'

  Claude Code
    ANTHROPIC_BASE_URL=${relayUrl} ANTHROPIC_AUTH_TOKEN=${key} claude

  Gemini CLI
    GOOGLE_GEMINI_BASE_URL=${relayUrl} GEMINI_API_KEY=${key} gemini -m ${gemini}

  Anthropic SDK (TypeScript, Python)
    new Anthropic({ baseURL: '${relayUrl}', apiKey: '${key}' })
    Anthropic(base_url='${relayUrl}', api_key='${key}')

  Google GenAI SDK (TypeScript, Python)
    new GoogleGenAI({ apiKey: '${key}', httpOptions: { baseUrl: '${relayUrl}' } })
    genai.Client(api_key='${key}', http_options={'base_url': '${relayUrl}'})

The answers come from the simulator at ${simulatorUrl}: what it saw is at ${simulatorUrl}/_simulator/requests,
and src/simulator/README.md tells how to make it fail. Ctrl-C ends it all.
`;
}
