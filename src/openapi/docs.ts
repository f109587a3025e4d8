import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { readFileSync } from 'node:fs';
import { doorPaths } from './door-paths.ts';

/** The committed document: `npm run openapi` writes it, and the check fails when it is not what the code says. */
const COMMITTED = new URL('../../openapi.json', import.meta.url);

/** Reads the whole API off the running app. Complete only in the compiled build, where the plugin has run. */
export function describeApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('llm-relay')
    .setDescription('Doors for clients of LLM vendors, and REST for the administrators of the relay.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: "An administrator's token" }, 'admin')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key of the relay' }, 'key')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (_controller, method) => method,
  });
  return { ...document, paths: { ...doorPaths, ...document.paths } };
}

/** `/openapi.json` and `/docs`, from the committed document. */
export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => committedDocument(), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
  });
}

function committedDocument(): OpenAPIObject {
  const root = import.meta.url.includes('/dist/')
    ? new URL('../../../openapi.json', import.meta.url)
    : COMMITTED;
  return JSON.parse(readFileSync(root, 'utf8')) as OpenAPIObject;
}
