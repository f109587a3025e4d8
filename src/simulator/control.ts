import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRecord } from './exchange.ts';
import { checkFault, FaultError } from './faults.ts';
import type { Plans } from './plan.ts';
import type { Simulator } from './oracle.ts';

/**
 * The same oracle for other processes, under `/_simulator`: `GET requests?since=&limit=&bodies=1`, `GET state`,
 * `POST plan`, `POST oauth` (`{"grant": {…}}` or `{"expire": "token"}`), `POST revoke`, and `DELETE` to clear.
 */
export async function control(
  simulator: Simulator,
  plans: Plans,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const send = (status: number, document?: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(document === undefined ? undefined : `${JSON.stringify(document)}\n`);
  };
  try {
    switch (`${request.method} ${url.pathname.slice('/_simulator'.length)}`) {
      case 'GET /requests':
        return send(200, requestsOf(simulator, url.searchParams));
      case 'GET /state':
        return send(200, stateOf(simulator, plans));
      case 'POST /plan': {
        const { fault, times, credential, model, path } = await body(request);
        const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
        plans.add({
          fault: checkFault(isRecord(fault) ? fault : {}),
          ...(typeof times === 'number' ? { times } : {}),
          ...(text(credential) === undefined ? {} : { credential: text(credential) }),
          ...(text(model) === undefined ? {} : { model: text(model) }),
          ...(text(path) === undefined ? {} : { path: text(path) }),
        });
        return send(201, { plans: plans.waiting.length });
      }
      case 'POST /oauth': {
        const { expire, grant } = await body(request);
        if (typeof expire === 'string') simulator.oauth.expire(expire);
        return send(201, isRecord(grant) ? simulator.oauth.grant(grant) : {});
      }
      case 'POST /revoke': {
        const { credential } = await body(request);
        if (typeof credential === 'string') simulator.revoke(credential);
        return send(201, {});
      }
      case 'DELETE ':
      case 'DELETE /':
        simulator.clear();
        return send(204);
      default:
        return send(404, { error: 'GET requests, GET state, POST plan, POST oauth, POST revoke, DELETE' });
    }
  } catch (error) {
    send(400, { error: error instanceof FaultError ? error.message : 'the body is not JSON' });
  }
}

function requestsOf(simulator: Simulator, query: URLSearchParams): object {
  const since = Number(query.get('since') ?? 0);
  const limit = Number(query.get('limit') ?? 1000);
  const bodies = query.get('bodies') === '1';
  return {
    requests: simulator.requests
      .filter((one) => one.id > since)
      .slice(0, limit)
      .map((one) => ({
        id: one.id,
        requestId: one.requestId,
        receivedAt: one.receivedAt,
        endedAt: one.endedAt,
        method: one.method,
        url: one.url,
        headers: one.headers,
        rawHeaders: one.rawHeaders,
        bodyBytes: one.bodyBytes,
        bodySha256: one.bodySha256,
        socket: one.socket,
        operation: one.operation,
        model: one.model,
        marker: one.marker,
        credential: one.credential,
        credentialIn: one.credentialIn,
        status: one.status,
        bytesSent: one.bytesSent,
        framesSent: one.framesSent,
        answerSha256: one.answerSha256,
        ended: one.ended,
        ...(bodies ? { body: one.body.toString('base64'), answer: one.answer.toString('base64') } : {}),
      })),
  };
}

function stateOf(simulator: Simulator, plans: Plans): object {
  const names = [...new Set(simulator.requests.map((one) => one.credential ?? '-'))];
  return {
    requests: simulator.requests.length,
    inFlight: simulator.inFlight(),
    maxInFlight: simulator.maxInFlight(),
    byCredential: Object.fromEntries(
      names.map((name) => [
        name,
        { inFlight: simulator.inFlight(name), maxInFlight: simulator.maxInFlight(name) },
      ]),
    ),
    openSockets: simulator.openSockets,
    usedAfterCut: simulator.usedAfterCut,
    refreshes: simulator.oauth.refreshes,
    plans: plans.waiting,
  };
}

async function body(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const json: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}');
  return isRecord(json) ? json : {};
}
