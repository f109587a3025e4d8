import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { awsCredential } from './aws-credentials.ts';
import type { Keyring } from './credentials.ts';
import type { Credential, Exchange, Vendor } from './exchange.ts';
import { FaultError, withoutDirectives } from './faults.ts';
import { now, type Journal, type OpenRequest, type OpenSocket } from './journal.ts';
import { distorted, gathered, unusable } from './misbehave.ts';
import type { Plans } from './plan.ts';
import type { Reply } from './reply.ts';
import { digestOf, idFrom } from './speech.ts';
import { Wire } from './wire.ts';

export interface Vendors {
  readonly anthropic: Vendor;
  readonly gemini: Vendor;
  readonly openai: Vendor;
  readonly bedrock: Vendor;
  readonly sts: Vendor;
  readonly oauth: Vendor;
}

export interface Reception {
  readonly journal: Journal;
  readonly keyring: Keyring;
  readonly plans: Plans;
  readonly seed: string;
  readonly vendors: Vendors;
  readonly socketOf: (socket: Socket) => OpenSocket | undefined;
}

/** Bodies beyond this are not read into memory any further; the vendors refuse them long before. */
const MAX_READ = 80 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** Receives one request: whose it is, its record, its body, its fault, then the answer. */
export function reception(house: Reception) {
  const { journal, keyring, plans, seed } = house;
  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    request.on('error', () => undefined);
    const { vendor, path } = vendorOf(house.vendors, url, request);
    const credential = credentialOf(vendor, keyring, request, url);
    const socket = house.socketOf(request.socket) ?? journal.openSocket();
    const record = recordOf(journal.nextId(), seed, request, credential, socket);
    journal.open(record, socket);
    const head = vendor.operation(path, undefined);
    record.operation = `${vendor.name}:${head.name}`;
    record.model = head.model;
    if (head.counted) journal.start(record);
    const wire = new Wire(response, journal, record, socket);
    const early = plans.chooseBeforeBody({ credential: credential.value, model: head.model, path });
    const body = early === undefined ? await read(request) : EMPTY;
    if (body === undefined) return;
    const bodySha256 = sha256(body);
    journal.keepBody(record, body, bodySha256);
    const json = parsed(body);
    record.model = vendor.operation(path, json).model;
    const exchange: Exchange = {
      method: request.method ?? 'GET',
      url: request.url ?? '/',
      path,
      query: url.searchParams,
      headers: request.headers,
      body,
      json,
      digest: digestOf(path, bodySha256),
      credential,
      fault: {},
      requestId: record.requestId,
      seed,
    };
    try {
      const fault =
        early ??
        plans.choose({
          credential: credential.value,
          model: record.model,
          path,
          digest: bodySha256,
          text: vendor.lastText(json),
        });
      record.marker = fault.marker;
      // What is asked of the wire does not change the answer: ids and words come of the rest.
      const bare = body.includes('[[sim:') ? sha256(withoutDirectives(body.toString())) : bodySha256;
      const digest = digestOf(path, bare, fault.marker ?? '', fault.say ?? '');
      await wire.deliver(await replyTo(vendor, { ...exchange, fault, digest }), fault);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      await wire.deliver(vendor.refuse(exchange, { status: 400, message: error.message }), {});
    }
  };
}

async function replyTo(vendor: Vendor, exchange: Exchange): Promise<Reply> {
  const { fault } = exchange;
  const refused = fault.status !== undefined && fault.error === undefined;
  const plain = unusable(fault) ?? (refused ? vendor.refuse(exchange, fault) : vendor.answer(exchange));
  const reply = distorted(plain, fault, exchange.credential.value ?? '');
  return fault.length === true ? gathered(reply) : reply;
}

/** A vendor's name may stand before the path (AWS STS is found by nothing else); otherwise path, then headers tell whose request it is. */
function vendorOf(vendors: Vendors, url: URL, request: IncomingMessage): { vendor: Vendor; path: string } {
  const [, prefix, rest] = /^\/(anthropic|gemini|openai|bedrock|sts)(\/.*)$/.exec(url.pathname) ?? [];
  const path = decoded(rest ?? url.pathname);
  if (prefix === 'sts') return { vendor: vendors.sts, path: `/sts${path}` };
  if (prefix !== undefined) return { vendor: vendors[prefix as keyof Vendors], path };
  if (path.startsWith('/model/')) return { vendor: vendors.bedrock, path };
  if (path.startsWith('/oauth/')) return { vendor: vendors.oauth, path };
  if (/^\/v1\/(chat\/completions|embeddings)$/.test(path)) return { vendor: vendors.openai, path };
  const google =
    path.startsWith('/v1beta/') ||
    /^\/v1\/[^:]*:\w+$/.test(path) ||
    (path.startsWith('/v1/models') &&
      request.headers['anthropic-version'] === undefined &&
      (request.headers['x-goog-api-key'] !== undefined || url.searchParams.has('key')));
  if (google) return { vendor: vendors.gemini, path };
  const bearer = request.headers.authorization !== undefined && request.headers['x-api-key'] === undefined;
  const lists = path.startsWith('/v1/models') && request.headers['anthropic-version'] === undefined;
  return { vendor: bearer && lists ? vendors.openai : vendors.anthropic, path };
}

function credentialOf(vendor: Vendor, keyring: Keyring, request: IncomingMessage, url: URL): Credential {
  if (vendor.name === 'bedrock' || vendor.name === 'sts') return awsCredential(request.headers);
  if (vendor.name === 'gemini') return keyring.gemini(request.headers, url.searchParams);
  if (vendor.name === 'openai') return keyring.openai(request.headers);
  return keyring.anthropic(request.headers);
}

function recordOf(
  id: number,
  seed: string,
  request: IncomingMessage,
  credential: Credential,
  socket: OpenSocket,
): OpenRequest {
  return {
    id,
    requestId: idFrom('req_01', 22, seed, String(id)),
    receivedAt: now(),
    endedAt: undefined,
    method: request.method ?? 'GET',
    url: request.url ?? '/',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    body: EMPTY,
    bodyBytes: 0,
    bodySha256: '',
    socket: socket.id,
    operation: '',
    model: undefined,
    marker: undefined,
    credential: credential.value,
    credentialIn: credential.where,
    status: undefined,
    bytesSent: 0,
    framesSent: 0,
    answer: EMPTY,
    answerSha256: undefined,
    ended: undefined,
    hash: undefined,
    store: EMPTY,
    counted: false,
  };
}

/** The whole body; undefined when the client left before its end. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length <= MAX_READ) chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
