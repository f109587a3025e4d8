import type { APIError } from 'openai';
import OpenAI from 'openai';
import type { Ask, MakeDriver, Said, Stop } from './door.ts';

type Item = OpenAI.Responses.ResponseInputItem;

/** `openai` on the Responses API, which has no stop sequences. */
export const responsesDriver: MakeDriver = ({ url, key }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  return {
    async say(ask) {
      const { body, input } = bodyOf(ask);
      return said(await client.responses.create(body, { signal: ask.signal }), input);
    },
    async stream(ask) {
      const { body, input } = bodyOf(ask);
      const stream = client.responses.stream({ ...body, stream: true }, { signal: ask.signal });
      stream.on('response.output_text.delta', ({ delta }) => ask.onText?.(delta));
      return said(await stream.finalResponse(), input);
    },
    told(error) {
      const { status, message } = error as APIError;
      return { status, message };
    },
  };
};

function bodyOf(ask: Ask): { body: OpenAI.Responses.ResponseCreateParamsNonStreaming; input: Item[] } {
  const input: Item[] = [...((ask.history as Item[] | undefined) ?? [])];
  for (const { call, output } of ask.results ?? []) {
    input.push({ type: 'function_call_output', call_id: call.id, output });
  }
  const content: OpenAI.Responses.ResponseInputMessageContentList = [];
  if (ask.image !== undefined) {
    const image_url = `data:${ask.image.mediaType};base64,${ask.image.data}`;
    content.push({ type: 'input_image', detail: 'auto', image_url });
  }
  if (ask.text !== undefined) content.push({ type: 'input_text', text: ask.text });
  if (content.length > 0) input.push({ type: 'message', role: 'user', content });
  const body = {
    model: ask.model,
    max_output_tokens: ask.maxTokens ?? 4096,
    input,
    store: false,
    ...(ask.system && { instructions: ask.system }),
    ...(ask.tools && {
      tools: ask.tools.map(({ name, description, schema }) => ({
        type: 'function' as const,
        name,
        description,
        parameters: schema,
        strict: false,
      })),
    }),
    ...(ask.thinks && {
      reasoning: { effort: 'medium' as const },
      include: ['reasoning.encrypted_content' as const],
    }),
    ...(ask.schema && {
      text: {
        format: {
          type: 'json_schema' as const,
          name: 'answer',
          schema: ask.schema as Record<string, unknown>,
        },
      },
    }),
  };
  return { body, input };
}

function said(answer: OpenAI.Responses.Response, input: readonly Item[]): Said {
  const calls = answer.output.flatMap((item) =>
    item.type === 'function_call'
      ? { id: item.call_id, name: item.name, input: JSON.parse(item.arguments) as unknown }
      : [],
  );
  const refused = answer.output.some(
    (item) => item.type === 'message' && item.content.some(({ type }) => type === 'refusal'),
  );
  return {
    text: answer.output_text,
    calls,
    stop: refused ? 'refusal' : stop(answer, calls.length > 0),
    usage: {
      input: answer.usage?.input_tokens ?? 0,
      cached: answer.usage?.input_tokens_details.cached_tokens ?? 0,
      output: answer.usage?.output_tokens ?? 0,
    },
    history: [...input, ...answer.output],
  };
}

function stop(answer: OpenAI.Responses.Response, called: boolean): Stop {
  switch (answer.incomplete_details?.reason) {
    case 'max_output_tokens':
      return 'max';
    case 'content_filter':
      return 'refusal';
    default:
      if (answer.status !== 'completed') throw new Error(`The response is ${String(answer.status)}`);
      return called ? 'tools' : 'end';
  }
}
