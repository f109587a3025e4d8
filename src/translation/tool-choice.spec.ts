import { type Call, CallError, type DialectName } from '../dialects/dialect.ts';
import { translate } from './translation.ts';

function asked(dialect: DialectName, to: DialectName, body: object): () => unknown {
  const call: Call = {
    dialect,
    operation: 'generate',
    lane: 'generate',
    model: 'm',
    modelSpans: [],
    framing: 'json',
    maxOutputTokens: undefined,
    headers: {},
    query: '',
    body: Buffer.from(JSON.stringify(body)),
  };
  return () => translate(call, to, 'm');
}

describe('A choice that forces a tool', () => {
  const functionCallingConfig = { mode: 'ANY', allowedFunctionNames: ['g', 'h'] };
  const tools = [{ functionDeclarations: [{ name: 'f' }] }];

  it.each([
    ['openai', 'anthropic', { messages: [], tool_choice: 'required' }, 'tool_choice'],
    ['anthropic', 'gemini', { messages: [], tool_choice: { type: 'tool', name: 'f' } }, 'tool_choice'],
    [
      'gemini',
      'openai',
      { tools, toolConfig: { functionCallingConfig } },
      'toolConfig.functionCallingConfig.mode',
    ],
  ] as const)('does not vanish where none is there to choose (%s to %s)', (dialect, to, body, at) => {
    expect(asked(dialect, to, body)).toThrow(CallError);
    expect(asked(dialect, to, body)).toThrow(`${at}: chooses a tool that is not there`);
  });

  it('is all right where it forces nothing', () => {
    expect(asked('openai', 'anthropic', { messages: [], tool_choice: 'none' })).not.toThrow();
  });
});
