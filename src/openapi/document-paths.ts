import type { OpenAPIObject } from '@nestjs/swagger';

const security: Record<string, string[]>[] = [{ admin: [] }, { adminInBrowser: [] }];
const refused = {
  description: 'No token, or one that is not valid',
  content: { 'text/plain': { schema: { type: 'string' } } },
} as const;

/** The document about itself, and the page that shows it. */
export const documentPaths: OpenAPIObject['paths'] = {
  '/openapi.json': {
    get: {
      operationId: 'getOpenApi',
      summary: 'This document',
      tags: ['documents'],
      security,
      responses: {
        '200': {
          description: 'OpenAPI 3.1',
          content: { 'application/json': { schema: { type: 'object', additionalProperties: true } } },
        },
        '401': refused,
      },
    },
  },
  '/docs': {
    get: {
      operationId: 'getDocs',
      summary: 'This document as a page; its scripts and styles lie under it',
      tags: ['documents'],
      security,
      responses: {
        '200': { description: 'The page', content: { 'text/html': { schema: { type: 'string' } } } },
        '401': refused,
      },
    },
  },
};
