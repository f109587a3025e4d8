import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { KEY_SCHEMES } from '../keys/key-security.ts';
import { doorComponents } from './door-answers.ts';
import { doorPaths } from './door-paths.ts';
import { documentPaths } from './document-paths.ts';
import { shareProblems } from './shared-problems.ts';

/** Reads the whole API off the running app. Complete only in the compiled build, where the plugin has run. */
export function describeApi(app: NestExpressApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('llm-relay')
    .setDescription('Doors for clients of LLM vendors, and REST for the administrators of the relay.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: "An administrator's token" }, 'admin')
    .addBasicAuth(
      { type: 'http', scheme: 'basic', description: "An administrator's token as the password" },
      'adminInBrowser',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'RELAY_METRICS_TOKEN' }, 'metrics');
  for (const [name, scheme] of Object.entries(KEY_SCHEMES)) builder.addSecurity(name, scheme);
  const { paths, components, ...document } = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (_controller, method) => method,
  });
  const { responses, schemas, ...doors } = doorComponents;
  const shared = shareProblems(paths);
  return {
    ...document,
    paths: { ...doorPaths, ...shared.paths, ...documentPaths },
    components: {
      ...components,
      ...doors,
      schemas: { ...components?.schemas, ...schemas },
      responses: { ...responses, ...shared.responses },
    },
  };
}
