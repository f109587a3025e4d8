import { applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';

/** Every way in which an API key may travel, as the document of the API names and describes them. */
export const KEY_SCHEMES = {
  key: { type: 'http', scheme: 'bearer', description: 'An API key of the relay' },
  xApiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: "As Anthropic's clients send it" },
  xGoogApiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'x-goog-api-key',
    description: "As Google's clients send it",
  },
  apiKey: { type: 'apiKey', in: 'header', name: 'api-key', description: "As Azure's clients send it" },
  keyInQuery: { type: 'apiKey', in: 'query', name: 'key', description: "As Google's REST examples send it" },
} as const;

/** One of them is enough. */
export const KEY_SECURITY: Record<string, string[]>[] = Object.keys(KEY_SCHEMES).map((name) => ({
  [name]: [],
}));

/** On a controller that takes an API key: documents the ways in which it may travel. */
export const ApiKeySecurity = (): ClassDecorator & MethodDecorator =>
  applyDecorators(...KEY_SECURITY.map((way) => ApiSecurity(way)));
