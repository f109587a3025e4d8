import type { BedrockOperation } from '../dialects/bedrock-call.ts';

/** A path of the runtime, read from the raw URL: an ARN is one segment, whose slashes a router would decode too early. */
export interface BedrockPath {
  /** Decoded once; the colon may come as it is (@anthropic-ai/bedrock-sdk) or percent-encoded. Not validated yet. */
  readonly model: string;
  readonly operation: BedrockOperation;
}

const OPERATIONS: readonly BedrockOperation[] = [
  'invoke',
  'invoke-with-response-stream',
  'converse',
  'converse-stream',
  'count-tokens',
];

/** `[/bedrock]/model/{id}/{operation}`. Undefined when the path is none of ours. */
export function readBedrockPath(rawPath: string): BedrockPath | undefined {
  const [, segment, told] = /^(?:\/bedrock)?\/model\/([^/]+)\/([^/]+)$/.exec(rawPath) ?? [];
  const operation = OPERATIONS.find((name) => name === told);
  if (segment === undefined || operation === undefined) return undefined;
  try {
    return { model: decodeURIComponent(segment), operation };
  } catch {
    return undefined;
  }
}
