import { CASES } from './cases.ts';
import { ACCOUNTS, type AccountName, type DoorName, DOORS, type Reach } from './cells.ts';

/** docs/dialects.md, made of the very data that the matrix runs. */
export function dialectsPage(): string {
  const accounts = Object.entries(ACCOUNTS) as [AccountName, (typeof ACCOUNTS)[AccountName]][];
  const doors = Object.entries(DOORS) as [
    DoorName,
    { title: string; client: string; reaches: Partial<Record<AccountName, Reach>> },
  ][];
  const reach = table(
    ['door ↓ / account →', ...accounts.map(([, { title }]) => title)],
    doors.map(([, { title, client, reaches }]) => [
      `${title} (\`${client}\`)`,
      ...accounts.map(([account]) => reaches[account] ?? '–'),
    ]),
  );
  const cells = doors.flatMap(([door, { reaches }]) =>
    accounts.filter(([account]) => reaches[account] !== undefined).map(([account]) => ({ door, account })),
  );
  const notes: string[] = [];
  const noteOf = (text: string): string => {
    if (!notes.includes(text)) notes.push(text);
    return `${notes.indexOf(text) + 1}`;
  };
  const supported = doors.map(([door, { title }]) => {
    const own = cells.filter((cell) => cell.door === door);
    return `### ${title}\n\n${table(
      ['case', ...own.map(({ account }) => ACCOUNTS[account].title)],
      CASES.map((one) => [
        one.title,
        ...own.map(({ account }) => {
          const absent = one.absent?.(door, account);
          if (absent !== undefined) return `– (${noteOf(absent)})`;
          const refused = one.refused?.(door, account);
          return refused === undefined ? 'yes' : `refused (${noteOf(refused)})`;
        }),
      ]),
    )}`;
  });
  const asked = cells.reduce(
    (sum, { door, account }) => sum + CASES.filter((one) => !one.absent?.(door, account)).length,
    0,
  );
  return [
    '# Dialects: any door, any account',
    'Made from the data that `test/matrix` runs, with each door’s official client over sockets; `npm test` fails where this page and the suite differ, and `UPDATE_DOCS=1` writes it anew.',
    '`bytes`: both ends speak one dialect, and what the client gets is what the upstream sent. `translated`: the request and every event of the answer go through the middle form of `src/translation/neutral.ts`, and `x-relay-edits` says `translated:FROM>TO`. `–`: the door does not reach the account.',
    reach,
    `## What each cell does\n\n${cells.length} cells, ${CASES.length} cases, ${asked} runs.`,
    ...supported,
    notes.map((note, index) => `${index + 1}. ${note}`).join('\n'),
    '## What is refused, left out and told',
    'A field that the account’s dialect cannot say is a 400 that names it, before anything is taken. Advice to a vendor (a cache hint, an accounting tag) is left out and told as `left-out:FIELD`; so are sampling settings that Claude refuses beside thinking or at all, and its thinking where a tool is forced. A signature that another vendor minted is taken out with its block and told as `signature:foreign`. Thoughts and signatures that a client’s dialect has no field for travel inside the ids of tool calls or in the place of a signature, so that the next turn works on any replica.',
    '`POST /v1/responses` is translated for every account, and nothing is kept between two calls: `previous_response_id`, `conversation`, `prompt`, `background` and items by reference are refused; clients that refer to what OpenAI keeps (the AI SDK does, unless told otherwise) are told `store: false`.',
    '## Embeddings',
    '`POST /v1/embeddings` is served by OpenAI-compatible accounts, byte for byte, and by Gemini accounts, as batchEmbedContents: texts, `dimensions` and both values of `encoding_format`; tokens are refused. Gemini tells no usage of embeddings, so the client is told the estimate that is booked.',
  ]
    .join('\n\n')
    .concat('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
