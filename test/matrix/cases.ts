import type { Simulator } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import type { AccountName, DoorName, ServingAccount } from './cells.ts';
import type { Ask, Driver, Said } from './door.ts';

export interface Cell {
  readonly door: DoorName;
  readonly account: AccountName;
  readonly serving: ServingAccount;
  readonly driver: Driver;
  readonly simulator: Simulator;
  /** The ledger's newest row, once everything is settled. */
  lastRow(): Promise<Record<string, unknown>>;
}

export interface Case {
  readonly title: string;
  run(cell: Cell): Promise<void>;
  /** Why a cell is not asked this; undefined = it is. Part of the table of what is supported. */
  absent?(door: DoorName, account: AccountName): string | undefined;
  /**
   * Why a cell refuses this by design: the client is told 400 with the name of its field, and where the
   * relay translates nothing is asked upstream.
   */
  refused?(door: DoorName, account: AccountName): string | undefined;
}

const WEATHER = {
  name: 'get_weather',
  description: 'Tells the weather',
  schema: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
  },
};
const CLOCK = {
  name: 'get_time',
  description: 'Tells the time',
  schema: { type: 'object', properties: { zone: { type: 'string' } }, required: ['zone'] },
};
/** One white pixel. */
const PIXEL = {
  mediaType: 'image/png' as const,
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==',
};
const SENTENCE = 'naïve 川 🙂 and the rest of it';
const USED = 'input-tokens=100 cached-tokens=7 output-tokens=23 thinking-tokens=0';

const expectUsage = async (cell: Cell, said: Said): Promise<void> => {
  const { input, cached, output } = cell.serving.usage;
  expect(said.usage).toEqual(cell.serving.usage);
  expect(await cell.lastRow()).toMatchObject({
    outcome: 'completed',
    input_tokens: String(input - cached),
    cache_read_tokens: String(cached),
    output_tokens: String(output),
    estimated: false,
    suspicious: false,
  });
};

const ask = (cell: Cell, directive: string, more: Partial<Ask> = {}): Ask => ({
  model: cell.serving.model,
  text: `Well?[[sim: ${directive}]]`,
  ...more,
});

export async function failureOf(asked: Promise<unknown>): Promise<unknown> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

const textWith = (piece: string): unknown => expect.stringContaining(piece);
const anyText: unknown = expect.any(String);

const ONE_STOP: ReadonlySet<DoorName> = new Set(['gemini', 'openai']);

export const CASES: readonly Case[] = [
  {
    title: 'JSON',
    async run(cell) {
      const said = await cell.driver.say(
        ask(cell, `say="${SENTENCE}" ${USED}`, { system: 'Answer in a word.' }),
      );
      expect(said).toMatchObject({ text: SENTENCE, calls: [], stop: 'end' });
      await expectUsage(cell, said);
      expect(cell.simulator.requests.at(-1)?.body.toString()).toContain('Answer in a word.');
    },
  },
  {
    title: 'stream',
    async run(cell) {
      const pieces: string[] = [];
      const said = await cell.driver.stream(
        ask(cell, `say="${SENTENCE}" deltas=5 split=utf8 ${USED}`, { onText: (piece) => pieces.push(piece) }),
      );
      expect(said).toMatchObject({ text: SENTENCE, calls: [], stop: 'end' });
      // Event by event, not collected.
      expect(pieces.length).toBeGreaterThanOrEqual(5);
      await expectUsage(cell, said);
    },
  },
  {
    title: 'one tool',
    async run(cell) {
      for (const way of ['say', 'stream'] as const) {
        const said = await cell.driver[way](ask(cell, 'tool=get_weather', { tools: [WEATHER, CLOCK] }));
        expect(said).toMatchObject({ stop: 'tools', calls: [{ name: 'get_weather' }] });
        expect(said.calls[0]?.input).toEqual({ city: textWith('é🙂'), days: 7 });
      }
    },
  },
  {
    title: 'two tools at once',
    async run(cell) {
      for (const way of ['say', 'stream'] as const) {
        const said = await cell.driver[way](
          ask(cell, 'tool=get_weather,get_time', { tools: [WEATHER, CLOCK] }),
        );
        expect(said.stop).toBe('tools');
        expect(said.calls.map(({ name }) => name)).toEqual(['get_weather', 'get_time']);
        expect(said.calls[1]?.input).toEqual({ zone: textWith('é🙂') });
        const ids = said.calls.map(({ id }) => id).filter((id) => id !== '');
        // Gemini itself need not name its calls; whoever else serves, each has a name of its own.
        if (cell.door !== 'gemini' || cell.account !== 'gemini') expect(ids).toHaveLength(2);
        expect(new Set(ids).size).toBe(ids.length);
      }
    },
  },
  {
    title: 'second turn with results and thoughts',
    async run(cell) {
      const tools = [WEATHER, CLOCK];
      for (const way of ['say', 'stream'] as const) {
        const first = await cell.driver[way](
          ask(cell, 'thinking="Two things." tool=get_weather,get_time', { tools, thinks: true }),
        );
        expect(first.calls).toHaveLength(2);
        const results = first.calls.map((call) => ({ call, output: `result of ${call.name}` }));
        const second = await cell.driver[way]({
          model: cell.serving.model,
          history: first.history,
          results,
          tools,
          thinks: true,
        });
        expect(second.stop).toBe('end');
        const seen = cell.simulator.requests.at(-1);
        expect(seen).toMatchObject({ status: 200 });
        for (const call of first.calls) expect(seen?.body.toString()).toContain(`result of ${call.name}`);
        // A third turn in words, on the same conversation.
        const third = await cell.driver[way]({
          ...ask(cell, 'say=Thanks', { tools, thinks: true }),
          history: second.history,
        });
        expect(third.text).toBe('Thanks');
      }
    },
  },
  {
    title: 'image in',
    async run(cell) {
      const said = await cell.driver.say(ask(cell, 'say=White', { image: PIXEL }));
      expect(said.text).toBe('White');
      expect(cell.simulator.requests.at(-1)?.body.toString()).toContain(PIXEL.data);
    },
  },
  {
    title: 'max tokens',
    async run(cell) {
      for (const way of ['say', 'stream'] as const) {
        const said = await cell.driver[way](ask(cell, 'say="one two three four"', { maxTokens: 2 }));
        expect(said).toMatchObject({ text: 'one two', stop: 'max' });
      }
    },
  },
  {
    title: 'stop sequence',
    absent: (door) => (door === 'responses' ? 'the Responses API has no stop sequences' : undefined),
    async run(cell) {
      const model = cell.serving.stopping ?? cell.serving.model;
      const said = await cell.driver.say(ask(cell, 'say="one two STOP three"', { model, stop: ['STOP'] }));
      expect(said.text.trim()).toBe('one two');
      expect(['end', 'stop-sequence']).toContain(said.stop);
      // Gemini and OpenAI have one word for both ends, so a client of another dialect cannot be told more.
      const tells = !ONE_STOP.has(cell.door) && !['gemini', 'openai'].includes(cell.account);
      if (tells) expect(said.stop).toBe('stop-sequence');
    },
  },
  {
    title: 'structured output',
    refused: (_, account) =>
      account === 'bedrockOther' ? 'Amazon’s own models take no JSON schema' : undefined,
    async run(cell) {
      // Closed, as strict vendors insist.
      const schema = { ...CLOCK.schema, additionalProperties: false };
      const said = await cell.driver.say(ask(cell, 'latency=0', { schema }));
      expect(JSON.parse(said.text)).toEqual({ zone: anyText });
    },
  },
  {
    title: 'blocked',
    async run(cell) {
      for (const way of ['say', 'stream'] as const) {
        // Converse has no word for a model's refusal (`StopReason` of the AWS SDK): a filter stops it.
        const blocks = cell.door === 'bedrockConverse' ? 'stop=content_filtered' : cell.serving.blocks;
        const said = await cell.driver[way](ask(cell, blocks));
        expect(said).toMatchObject({ stop: 'refusal', calls: [] });
      }
    },
  },
  {
    title: 'upstream error before the answer',
    async run(cell) {
      const bad = await failureOf(cell.driver.say(ask(cell, 'status=400 message="No such thing"')));
      expect(cell.driver.told(bad)).toEqual({
        status: 400,
        message: textWith('No such thing'),
      });
      const down = await failureOf(cell.driver.stream(ask(cell, 'status=503 message="Come back later"')));
      expect(cell.driver.told(down)).toEqual({
        status: 503,
        message: textWith('Come back later'),
      });
    },
  },
  {
    title: 'upstream error in mid-stream',
    async run(cell) {
      const pieces: string[] = [];
      const broken = await failureOf(
        cell.driver.stream(
          ask(cell, `say="${SENTENCE}" deltas=8 error=5 message="Gone wrong"`, {
            onText: (piece) => pieces.push(piece),
          }),
        ),
      );
      expect(cell.driver.told(broken).message).toContain('Gone wrong');
      expect(pieces.length).toBeGreaterThan(0);
      expect(await cell.lastRow()).toMatchObject({ outcome: 'partial' });
    },
  },
  {
    title: 'upstream cut in mid-stream',
    async run(cell) {
      await failureOf(cell.driver.stream(ask(cell, `say="${SENTENCE}" deltas=8 every=5 reset=5`)));
      expect(await cell.lastRow()).toMatchObject({ outcome: 'partial' });
    },
  },
  {
    title: 'client abort',
    async run(cell) {
      const leaving = new AbortController();
      await failureOf(
        cell.driver.stream(
          ask(cell, 'deltas=400 every=20', {
            signal: leaving.signal,
            onText: () => leaving.abort(),
          }),
        ),
      );
      expect(await cell.lastRow()).toMatchObject({ outcome: 'client-left' });
      await eventually(() => {
        expect(cell.simulator.requests.at(-1)).toMatchObject({ ended: 'client-closed' });
        return Promise.resolve();
      });
    },
  },
];
