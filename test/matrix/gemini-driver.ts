import type { ApiError } from '@google/genai';
import {
  type Content,
  type GenerateContentParameters,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from '@google/genai';
import { type Ask, type MakeDriver, type Said, type Stop, stopOf } from './door.ts';

const STOPS: Readonly<Record<string, Stop>> = {
  STOP: 'end',
  MAX_TOKENS: 'max',
  SAFETY: 'refusal',
  PROHIBITED_CONTENT: 'refusal',
  BLOCKLIST: 'refusal',
  OTHER: 'refusal',
};

/** @google/genai on the gemini door. A stop sequence looks like any end here: the dialect has one word for both. */
export const geminiDriver: MakeDriver = ({ url, key }) => {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  return {
    async say(ask) {
      const { request, contents } = requestOf(ask);
      const answer = await client.models.generateContent(request);
      return said([answer], contents);
    },
    async stream(ask) {
      const { request, contents } = requestOf(ask);
      const frames: GenerateContentResponse[] = [];
      for await (const frame of await client.models.generateContentStream(request)) {
        frames.push(frame);
        const piece = textOf(partsOf(frame));
        if (piece !== '') ask.onText?.(piece);
      }
      return said(frames, contents);
    },
    told(error) {
      const { status, message } = error as ApiError;
      return { status, message };
    },
  };
};

function requestOf(ask: Ask): { request: GenerateContentParameters; contents: Content[] } {
  const contents: Content[] = [...((ask.history as Content[] | undefined) ?? [])];
  const parts: Part[] = (ask.results ?? []).map(({ call, output }) => ({
    functionResponse: { id: call.id, name: call.name, response: { output } },
  }));
  if (ask.image !== undefined) {
    parts.push({ inlineData: { mimeType: ask.image.mediaType, data: ask.image.data } });
  }
  if (ask.text !== undefined) parts.push({ text: ask.text });
  contents.push({ role: 'user', parts });
  const config = {
    maxOutputTokens: ask.maxTokens ?? 4096,
    ...(ask.system && { systemInstruction: ask.system }),
    ...(ask.tools && {
      tools: [
        {
          functionDeclarations: ask.tools.map(({ name, description, schema }) => ({
            name,
            description,
            parametersJsonSchema: schema,
          })),
        },
      ],
    }),
    ...(ask.stop && { stopSequences: [...ask.stop] }),
    ...(ask.thinks && { thinkingConfig: { thinkingBudget: 1024, includeThoughts: true } }),
    ...(ask.schema && { responseMimeType: 'application/json', responseJsonSchema: ask.schema }),
    ...(ask.signal && { abortSignal: ask.signal }),
  };
  return { request: { model: ask.model, contents, config }, contents };
}

function partsOf(frame: GenerateContentResponse): readonly Part[] {
  return frame.candidates?.[0]?.content?.parts ?? [];
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join('');
}

function said(frames: readonly GenerateContentResponse[], contents: readonly Content[]): Said {
  const parts = frames.flatMap(partsOf);
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined
      ? []
      : [{ id: functionCall.id ?? '', name: functionCall.name ?? '', input: functionCall.args }],
  );
  const blocked = frames.some(({ promptFeedback }) => promptFeedback?.blockReason !== undefined);
  const reason = frames.at(-1)?.candidates?.[0]?.finishReason;
  const ended = blocked ? 'refusal' : stopOf(STOPS, reason);
  const usage = frames.findLast(({ usageMetadata }) => usageMetadata !== undefined)?.usageMetadata;
  return {
    text: textOf(parts),
    calls,
    stop: calls.length > 0 && ended === 'end' ? 'tools' : ended,
    usage: {
      input: (usage?.promptTokenCount ?? 0) + (usage?.toolUsePromptTokenCount ?? 0),
      cached: usage?.cachedContentTokenCount ?? 0,
      output: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    },
    // Clients keep what was said and called, and leave thoughts behind.
    history: [...contents, { role: 'model', parts: parts.filter((part) => part.thought !== true) }],
  };
}
