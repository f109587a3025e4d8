import type { APIError } from 'openai';
import OpenAI from 'openai';
import { type Ask, type MakeDriver, type Said, type Stop, stopOf } from './door.ts';

const STOPS: Readonly<Record<string, Stop>> = {
  stop: 'end',
  tool_calls: 'tools',
  length: 'max',
  content_filter: 'refusal',
};

type Message = OpenAI.ChatCompletionMessageParam;

/** `openai` on chat completions. A stop sequence looks like any end here: the dialect has one word for both. */
export const openaiDriver: MakeDriver = ({ url, key }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  return {
    async say(ask) {
      const { body, messages } = bodyOf(ask);
      return said(await client.chat.completions.create(body, { signal: ask.signal }), messages);
    },
    async stream(ask) {
      const { body, messages } = bodyOf(ask);
      const stream = client.chat.completions.stream(
        { ...body, stream: true, stream_options: { include_usage: true } },
        { signal: ask.signal },
      );
      stream.on('content', (piece) => ask.onText?.(piece));
      return said(await stream.finalChatCompletion(), messages);
    },
    told(error) {
      const { status, message } = error as APIError;
      return { status, message };
    },
  };
};

function bodyOf(ask: Ask): { body: OpenAI.ChatCompletionCreateParamsNonStreaming; messages: Message[] } {
  const messages: Message[] = [...((ask.history as Message[] | undefined) ?? [])];
  if (ask.system !== undefined && messages.length === 0) {
    messages.push({ role: 'system', content: ask.system });
  }
  for (const { call, output } of ask.results ?? []) {
    messages.push({ role: 'tool', tool_call_id: call.id, content: output });
  }
  const content: OpenAI.ChatCompletionContentPart[] = [];
  if (ask.image !== undefined) {
    const url = `data:${ask.image.mediaType};base64,${ask.image.data}`;
    content.push({ type: 'image_url', image_url: { url } });
  }
  if (ask.text !== undefined) content.push({ type: 'text', text: ask.text });
  if (content.length > 0) messages.push({ role: 'user', content });
  const body = {
    model: ask.model,
    max_completion_tokens: ask.maxTokens ?? 4096,
    messages,
    ...(ask.tools && {
      tools: ask.tools.map(({ name, description, schema }) => ({
        type: 'function' as const,
        function: { name, description, parameters: schema },
      })),
    }),
    ...(ask.stop && { stop: [...ask.stop] }),
    ...(ask.thinks && { reasoning_effort: 'medium' as const }),
    ...(ask.schema && {
      response_format: {
        type: 'json_schema' as const,
        json_schema: { name: 'answer', schema: ask.schema, strict: true },
      },
    }),
  };
  return { body, messages };
}

function said(answer: OpenAI.ChatCompletion, messages: readonly Message[]): Said {
  const [choice] = answer.choices;
  if (choice === undefined) throw new Error('There is no choice');
  const { message } = choice;
  const calls = (message.tool_calls ?? []).flatMap((call) =>
    call.type === 'function'
      ? { id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) as unknown }
      : [],
  );
  const refused = typeof message.refusal === 'string' && message.refusal !== '';
  return {
    text: message.content ?? '',
    calls,
    stop: refused ? 'refusal' : stopOf(STOPS, choice.finish_reason),
    usage: {
      input: answer.usage?.prompt_tokens ?? 0,
      cached: answer.usage?.prompt_tokens_details?.cached_tokens ?? 0,
      output: answer.usage?.completion_tokens ?? 0,
    },
    history: [...messages, message],
  };
}
