import { CallError } from '../../dialects/dialect.ts';
import type { NeutralRequest } from '../neutral.ts';
import { anthropicUpstream } from './anthropic-upstream.ts';

/**
 * What Claude says to sampling settings: platform.claude.com, "Extended thinking" ("Thinking isn't compatible with
 * temperature or top_k modifications as well as forced tool use … you can set top_p to values between 1 and 0.95"), and
 * its own refusals: "`temperature` and `top_p` cannot both be specified for this model", "`temperature` is deprecated for
 * this model".
 */
const REQUEST: NeutralRequest = {
  lane: 'generate',
  model: 'claude-sonnet-4-5',
  stream: false,
  system: [],
  messages: [],
  tools: [{ at: 'tools[0]', name: 'f', description: undefined, schema: { type: 'object' } }],
  leftovers: [],
  source: {},
};

const given = <T>(value: T, at: string) => ({ value, at });
const temperature = (value: number) => ({ temperature: given(value, 'generationConfig.temperature') });
const topP = (value: number) => ({ topP: given(value, 'generationConfig.topP') });
const topK = { topK: given(64, 'generationConfig.topK') };
const thinking = {
  thinking: given({ mode: 'adaptive', show: true } as const, 'generationConfig.thinkingConfig'),
};

function written(request: Partial<NeutralRequest>) {
  const { body, edits } = anthropicUpstream.writeRequest({ ...REQUEST, ...request });
  const { temperature, top_p, top_k } = body as Record<string, unknown>;
  const told = Object.entries({ temperature, top_p, top_k }).filter(([, value]) => value !== undefined);
  return { sampling: Object.fromEntries(told) as object, edits, body: body as Record<string, unknown> };
}

describe('how Claude samples', () => {
  it('leaves out what it refuses beside thinking, as Gemini CLI sends it with every call', () => {
    const { sampling, edits, body } = written({ ...thinking, ...temperature(1), ...topP(0.95), ...topK });
    expect(body['thinking']).toEqual({ type: 'enabled', budget_tokens: 8_192 });
    expect(sampling).toEqual({ top_p: 0.95 });
    expect(edits).toEqual(['left-out:topK']);
    const low = written({ ...thinking, ...temperature(0.2), ...topP(0.5) });
    expect(low.sampling).toEqual({});
    expect(low.edits).toEqual(['left-out:temperature', 'left-out:topP']);
  });

  it.each([
    ['claude-opus-4-1-20250805', { temperature: 0.2 }, ['left-out:topP']],
    ['claude-haiku-4-5', { temperature: 0.2 }, ['left-out:topP']],
    ['us.anthropic.claude-opus-4-6-v1', { temperature: 0.2 }, ['left-out:topP']],
    ['claude-opus-4-20250514', { temperature: 0.2, top_p: 0.5 }, []],
    ['claude-3-7-sonnet-20250219', { temperature: 0.2, top_p: 0.5 }, []],
    ['kimi-k2', { temperature: 0.2, top_p: 0.5 }, []],
    ['claude-opus-4-7', {}, ['left-out:temperature', 'left-out:topP']],
    ['claude-sonnet-5', {}, ['left-out:temperature', 'left-out:topP']],
  ])('takes of temperature and top_p what %s takes', (model, sampling, edits) => {
    const told = written({ model, ...temperature(0.2), ...topP(0.5) });
    expect({ sampling: told.sampling, edits: told.edits }).toEqual({ sampling, edits });
  });

  it('counts a default as nothing asked', () => {
    expect(written({ ...temperature(1), ...topP(0.5) })).toMatchObject({
      sampling: { top_p: 0.5 },
      edits: [],
    });
    expect(written({ ...temperature(0), ...topP(1) })).toMatchObject({
      sampling: { temperature: 0 },
      edits: [],
    });
    const newest = written({ model: 'claude-opus-4-8', ...temperature(1), ...topP(1) });
    expect(newest).toMatchObject({ sampling: {}, edits: [] });
  });

  it('refuses a temperature above 1 by its name, where it would be sent', () => {
    expect(() => written(temperature(1.5))).toThrow(CallError);
    expect(() => written(temperature(1.5))).toThrow('generationConfig.temperature: must be at most 1');
    expect(written({ ...thinking, ...temperature(1.5) }).edits).toEqual(['left-out:temperature']);
  });
});

describe('how Claude thinks', () => {
  it.each([
    [{ mode: 'any' } as const, { type: 'any' }],
    [{ mode: 'one', name: 'f' } as const, { type: 'tool', name: 'f' }],
  ])('does not, where a tool is forced (%j), and tells so', (choice, told) => {
    const { body, edits } = written({ ...thinking, toolChoice: given(choice, 'tool_choice') });
    expect(body).not.toHaveProperty('thinking');
    expect(body['tool_choice']).toEqual(told);
    expect(edits).toEqual(['left-out:thinkingConfig']);
  });

  it.each([
    [1_024, 'low'],
    [8_000, 'medium'],
    [20_000, 'high'],
  ])('takes no budget of %d from 4.7 on, but the word for it, and tells so', (budgetTokens, effort) => {
    const asked = given({ mode: 'budget', budgetTokens, show: true } as const, 'thinking');
    const { body, edits } = written({ model: 'claude-opus-4-7', thinking: asked });
    expect(body['thinking']).toEqual({ type: 'adaptive' });
    expect(body['output_config']).toEqual({ effort });
    expect(edits).toEqual(['left-out:thinking']);
    const older = written({ model: 'claude-opus-4-6', thinking: asked });
    expect(older.body['thinking']).toEqual({ type: 'enabled', budget_tokens: budgetTokens });
  });
});
