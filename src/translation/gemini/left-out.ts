import { type Advice, type Idle, leaveRestBy } from '../leave-rest.ts';

/**
 * What may be left out of a translated call, beside what the middle form says, and why an answer without it is still
 * the answer. A field that is not here is refused by its name: whatever Google adds, and today `cachedContent`, `store`,
 * `continuationToken`, `responseModalities`, `speechConfig`, `imageConfig`, `responseFormat`, log probabilities, and tools
 * that Google runs itself (`googleSearch`, `codeExecution`, `urlContext`, `fileSearch`, `computerUse`, `mcpServers` …).
 */
const ADVICE: Advice<Place> = {
  body: {
    labels: 'accounting, of Google’s own bills',
    serviceTier: 'how fast and how dear Google may serve it',
  },
  generationConfig: {
    mediaResolution: 'how many tokens an image may take; each vendor weighs that by itself',
  },
  thinkingConfig: {},
  toolConfig: {},
  functionCallingConfig: {},
  tool: {},
  declaration: {
    response: 'a description of what the tool answers; the answer itself comes anyway',
    responseJsonSchema: 'likewise',
  },
  content: {},
  part: {
    partMetadata: 'the client’s own notes, which no model sees',
    mediaResolution: 'as in generationConfig',
  },
  functionCall: {},
  functionResponse: {},
  media: {},
};

const IDLE: Idle<Place> = {
  body: { store: (value) => value === true },
  generationConfig: {
    candidateCount: (value) => value === 1,
    responseLogprobs: (value) => value === false,
    responseModalities: (value) =>
      Array.isArray(value) && value.every((one) => String(one).toUpperCase() === 'TEXT'),
    enableEnhancedCivicAnswers: (value) => value === false,
    mediaResolution: (value) => value === 'MEDIA_RESOLUTION_UNSPECIFIED',
  },
  toolConfig: { includeServerSideToolInvocations: (value) => value === false },
  functionCallingConfig: { streamFunctionCallArguments: (value) => value === false },
  declaration: { behavior: (value) => value === 'BLOCKING' || value === 'UNSPECIFIED' },
  functionCall: { willContinue: (value) => value === false },
  functionResponse: {
    willContinue: (value) => value === false,
    scheduling: (value) => value === 'WHEN_IDLE' || value === 'SCHEDULING_UNSPECIFIED',
  },
  part: { thought: (value) => value === false },
};

export type Place =
  | 'body'
  | 'generationConfig'
  | 'thinkingConfig'
  | 'toolConfig'
  | 'functionCallingConfig'
  | 'tool'
  | 'declaration'
  | 'content'
  | 'part'
  | 'functionCall'
  | 'functionResponse'
  | 'media';

export const leaveRest = leaveRestBy(ADVICE, IDLE);
