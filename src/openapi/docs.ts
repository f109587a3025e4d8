import type { NestExpressApplication } from '@nestjs/platform-express';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Request, RequestHandler } from 'express';
import { readFileSync } from 'node:fs';
import { AdminTokens } from '../admin/admin-tokens.ts';

/**
 * `/openapi.json` and `/docs`, from the committed document: `npm run openapi` writes it, and the check fails when it is
 * not what the code says. For administrators only; a browser gives the token as the password of Basic.
 */
export function serveDocs(app: NestExpressApplication): void {
  app.use(['/docs', '/openapi.json'], forAdministrators(app.get(AdminTokens)));
  SwaggerModule.setup('docs', app, () => committedDocument(), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
  });
}

function forAdministrators(tokens: AdminTokens): RequestHandler {
  return (request, response, next) => {
    const token = tokenOf(request);
    const found = token === undefined ? Promise.resolve(undefined) : tokens.find(token);
    found.then((administrator) => {
      if (administrator !== undefined) return next();
      response.setHeader(
        'www-authenticate',
        'Basic realm="llm-relay: an administrator\'s token as the password"',
      );
      response.status(401).type('text/plain').send("An administrator's token is needed\n");
    }, next);
  };
}

function tokenOf(request: Request): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic) +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const pair = Buffer.from(value, 'base64').toString();
  return pair.slice(pair.indexOf(':') + 1) || undefined;
}

function committedDocument(): OpenAPIObject {
  const depth = import.meta.url.includes('/dist/') ? '../../../' : '../../';
  return JSON.parse(readFileSync(new URL(`${depth}openapi.json`, import.meta.url), 'utf8')) as OpenAPIObject;
}
