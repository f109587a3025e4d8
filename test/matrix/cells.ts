import type { Rehearsal } from '../support/relay.ts';
import { bedrockInvokeDriver, claudeDriver } from './claude-driver.ts';
import { converseDriver } from './converse-driver.ts';
import type { MakeDriver } from './door.ts';
import { geminiDriver } from './gemini-driver.ts';
import { openaiDriver } from './openai-driver.ts';
import { responsesDriver } from './responses-driver.ts';

/** A way in: a door's route, and the official client that uses it. */
export interface Door {
  readonly title: string;
  readonly client: string;
  readonly driver: MakeDriver;
  readonly reaches: Readonly<Partial<Record<AccountName, Reach>>>;
}

/** `bytes`: both ends speak one dialect. */
export type Reach = 'bytes' | 'translated';

export type AccountName = keyof typeof ACCOUNTS;

/** What serves, and how its vendor tells what was used. */
export interface ServingAccount {
  readonly title: string;
  readonly model: string;
  /** Takes stop sequences, where `model` does not. */
  readonly stopping?: string;
  readonly make: (rehearsal: Rehearsal) => Promise<unknown>;
  /** Whole input, cached and output of an answer that says 100 in, 7 cached, 23 out, by this vendor's rules. */
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number };
  /** The simulator's directive for a prompt or an answer that the vendor blocks. */
  readonly blocks: string;
}

const only = (...models: readonly string[]) => ({ models: { allow: models } });

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-3.5-flash';
const OPENAI = 'gpt-5-mini';
const OPENAI_STOPPING = 'gpt-4.1';
const BEDROCK_CLAUDE = 'us.anthropic.claude-sonnet-5';
const BEDROCK_OTHER = 'us.amazon.nova-2-lite-v1:0';

/** As the other kinds: a client that leaves is to be seen upstream. By itself a bedrock account drains. */
const CANCELLED = { onClientLeave: 'cancel' };

export const ACCOUNTS = {
  claude: {
    title: 'Anthropic',
    model: CLAUDE,
    make: (rehearsal) => rehearsal.claudeAccount(only(CLAUDE)),
    usage: { input: 107, cached: 7, output: 23 },
    blocks: 'stop=refusal',
  },
  gemini: {
    title: 'Gemini',
    model: GEMINI,
    make: (rehearsal) => rehearsal.geminiAccount(only(GEMINI)),
    usage: { input: 100, cached: 7, output: 23 },
    blocks: 'block=SAFETY',
  },
  openai: {
    title: 'OpenAI-compatible',
    model: OPENAI,
    stopping: OPENAI_STOPPING,
    make: (rehearsal) => rehearsal.openaiAccount(only(OPENAI, OPENAI_STOPPING)),
    usage: { input: 100, cached: 7, output: 23 },
    blocks: 'finish=content_filter',
  },
  bedrockClaude: {
    title: 'Bedrock, Claude models (invoke)',
    model: BEDROCK_CLAUDE,
    make: (rehearsal) => rehearsal.bedrockAccount({ ...only(BEDROCK_CLAUDE), ...CANCELLED }),
    usage: { input: 107, cached: 7, output: 23 },
    blocks: 'stop=refusal',
  },
  bedrockOther: {
    title: 'Bedrock, other models (converse)',
    model: BEDROCK_OTHER,
    make: (rehearsal) => rehearsal.bedrockAccount({ ...only(BEDROCK_OTHER), ...CANCELLED }),
    usage: { input: 107, cached: 7, output: 23 },
    blocks: 'stop=guardrail_intervened',
  },
} as const satisfies Record<string, ServingAccount>;

export const DOORS = {
  claude: {
    title: 'claude',
    client: '@anthropic-ai/sdk',
    driver: claudeDriver,
    reaches: {
      claude: 'bytes',
      gemini: 'translated',
      openai: 'translated',
      bedrockClaude: 'bytes',
      bedrockOther: 'translated',
    },
  },
  gemini: {
    title: 'gemini',
    client: '@google/genai',
    driver: geminiDriver,
    reaches: {
      claude: 'translated',
      gemini: 'bytes',
      openai: 'translated',
      bedrockClaude: 'translated',
      bedrockOther: 'translated',
    },
  },
  openai: {
    title: 'openai, chat completions',
    client: 'openai',
    driver: openaiDriver,
    reaches: {
      claude: 'translated',
      gemini: 'translated',
      openai: 'bytes',
      bedrockClaude: 'translated',
      bedrockOther: 'translated',
    },
  },
  responses: {
    title: 'openai, responses',
    client: 'openai',
    driver: responsesDriver,
    reaches: {
      claude: 'translated',
      gemini: 'translated',
      openai: 'translated',
      bedrockClaude: 'translated',
      bedrockOther: 'translated',
    },
  },
  bedrockInvoke: {
    title: 'bedrock, invoke',
    client: '@anthropic-ai/bedrock-sdk',
    driver: bedrockInvokeDriver,
    reaches: { bedrockClaude: 'bytes' },
  },
  bedrockConverse: {
    title: 'bedrock, converse',
    client: '@aws-sdk/client-bedrock-runtime',
    driver: converseDriver,
    reaches: { bedrockClaude: 'bytes', bedrockOther: 'bytes' },
  },
} as const satisfies Record<string, Door>;

export type DoorName = keyof typeof DOORS;
