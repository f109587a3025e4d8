import {
  BedrockRuntimeClient,
  type ContentBlock,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type Message,
  type TokenUsage,
} from '@aws-sdk/client-bedrock-runtime';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type Ask, type MakeDriver, type Said, type Stop, stopOf } from './door.ts';

const STOPS: Readonly<Record<string, Stop>> = {
  end_turn: 'end',
  tool_use: 'tools',
  max_tokens: 'max',
  stop_sequence: 'stop-sequence',
  guardrail_intervened: 'refusal',
  content_filtered: 'refusal',
};

/** @aws-sdk/client-bedrock-runtime on the bedrock door's converse; its HTTP/1.1 handler, so that an abort shows. */
export const converseDriver: MakeDriver = ({ url, key }) => {
  const client = new BedrockRuntimeClient({
    endpoint: `${url}/bedrock`,
    region: 'us-east-1',
    token: { token: key },
    authSchemePreference: ['httpBearerAuth'],
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler(),
  });
  return {
    async say(ask) {
      const { input, messages } = inputOf(ask);
      const answer = await client.send(new ConverseCommand(input), abort(ask));
      return said(answer.output?.message?.content ?? [], answer.stopReason, answer.usage, messages);
    },
    async stream(ask) {
      const { input, messages } = inputOf(ask);
      const answer = await client.send(new ConverseStreamCommand(input), abort(ask));
      const blocks: ContentBlock[] = [];
      let json = '';
      let stop: string | undefined;
      let usage: TokenUsage | undefined;
      for await (const event of answer.stream ?? []) {
        const { start } = event.contentBlockStart ?? {};
        const at = event.contentBlockDelta?.contentBlockIndex ?? 0;
        const { delta } = event.contentBlockDelta ?? {};
        if (start?.toolUse !== undefined) {
          blocks.push({ toolUse: { ...start.toolUse, input: {} } });
          json = '';
        } else if (delta?.text !== undefined) {
          ask.onText?.(delta.text);
          blocks[at] = { text: (blocks[at]?.text ?? '') + delta.text };
        } else if (delta?.toolUse !== undefined) {
          json += delta.toolUse.input ?? '';
        } else if (delta?.reasoningContent !== undefined) {
          const before = blocks[at]?.reasoningContent?.reasoningText;
          const { text = '', signature } = delta.reasoningContent;
          blocks[at] = {
            reasoningContent: {
              reasoningText: {
                text: (before?.text ?? '') + text,
                ...((signature ?? before?.signature) !== undefined && {
                  signature: signature ?? before?.signature,
                }),
              },
            },
          };
        }
        const tool = blocks[event.contentBlockStop?.contentBlockIndex ?? -1]?.toolUse;
        if (tool !== undefined) tool.input = JSON.parse(json === '' ? '{}' : json) as typeof tool.input;
        stop = event.messageStop?.stopReason ?? stop;
        usage = event.metadata?.usage ?? usage;
      }
      return said(blocks, stop, usage, messages);
    },
    told(error) {
      const { $metadata, message } = error as Error & { $metadata?: { httpStatusCode?: number } };
      return { status: $metadata?.httpStatusCode, message };
    },
  };
};

function abort(ask: Ask): { abortSignal?: AbortSignal } {
  return ask.signal === undefined ? {} : { abortSignal: ask.signal };
}

function inputOf(ask: Ask): { input: ConverseCommandInput; messages: Message[] } {
  const messages: Message[] = [...((ask.history as Message[] | undefined) ?? [])];
  const content: ContentBlock[] = (ask.results ?? []).map(({ call, output }) => ({
    toolResult: { toolUseId: call.id, content: [{ text: output }] },
  }));
  if (ask.image !== undefined) {
    content.push({ image: { format: 'png', source: { bytes: Buffer.from(ask.image.data, 'base64') } } });
  }
  if (ask.text !== undefined) content.push({ text: ask.text });
  messages.push({ role: 'user', content });
  const input: ConverseCommandInput = {
    modelId: ask.model,
    messages,
    inferenceConfig: {
      maxTokens: ask.maxTokens ?? 4096,
      ...(ask.stop && { stopSequences: [...ask.stop] }),
    },
    ...(ask.system && { system: [{ text: ask.system }] }),
    ...(ask.tools && {
      toolConfig: {
        tools: ask.tools.map(({ name, description, schema }) => ({
          toolSpec: { name, description, inputSchema: { json: schema as never } },
        })),
      },
    }),
    ...(ask.thinks && { additionalModelRequestFields: thinking(ask.model) }),
    ...(ask.schema && {
      outputConfig: {
        textFormat: {
          type: 'json_schema',
          structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(ask.schema) } },
        },
      },
    }),
  };
  return { input, messages };
}

/** Each family of models is asked in its own words (AWS docs, "Extended thinking" and "Extended thinking in Nova 2"). */
function thinking(model: string): { readonly [name: string]: { readonly [name: string]: string | number } } {
  if (model.includes('nova-2')) return { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } };
  return { thinking: { type: 'enabled', budget_tokens: 1024 } };
}

function said(
  content: readonly ContentBlock[],
  stop: string | undefined,
  usage: TokenUsage | undefined,
  messages: readonly Message[],
): Said {
  const cached = usage?.cacheReadInputTokens ?? 0;
  return {
    text: content.map(({ text }) => text ?? '').join(''),
    calls: content.flatMap(({ toolUse }) =>
      toolUse === undefined
        ? []
        : { id: toolUse.toolUseId ?? '', name: toolUse.name ?? '', input: toolUse.input },
    ),
    stop: stopOf(STOPS, stop),
    usage: {
      input: (usage?.inputTokens ?? 0) + cached + (usage?.cacheWriteInputTokens ?? 0),
      cached,
      output: usage?.outputTokens ?? 0,
    },
    history: [...messages, { role: 'assistant', content: [...content] }],
  };
}
