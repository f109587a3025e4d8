import { connect, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { startSimulator, type Fault, type Simulator } from '../../src/simulator/simulator.ts';

/** Each fault does on the wire what it says, seen from a raw socket; and the oracle tells the truth about it. */

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterEach(() => simulator.clear());
afterAll(() => simulator.close());

/** Everything a client got, and how it ended. */
class Client {
  bytes = Buffer.alloc(0);
  ended: 'open' | 'fin' | 'reset' = 'open';
  readonly socket: Socket;

  constructor() {
    const { hostname, port } = new URL(simulator.url);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
    this.socket.on('end', () => {
      this.ended = 'fin';
    });
    this.socket.on('error', () => {
      this.ended = 'reset';
    });
  }

  send(directive: string, { stream = true, path = '/v1/messages', body = '' } = {}): this {
    const gemini = path.startsWith('/v1beta');
    const content = `[[sim: ${directive}]]`;
    const anthropic = {
      model: 'claude-opus-5',
      max_tokens: 9999,
      stream,
      messages: [{ role: 'user', content }],
    };
    const json = JSON.stringify(gemini ? { contents: { parts: { text: content } } } : anthropic);
    const text = body === '' ? json : body;
    const credential = gemini ? 'x-goog-api-key: gemini-sim-1' : 'x-api-key: sk-ant-sim-1';
    this.socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\n${credential}\r\nanthropic-version: 2023-06-01\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    return this;
  }

  get head(): string {
    return this.bytes.subarray(0, Math.max(0, this.bytes.indexOf('\r\n\r\n'))).toString('latin1');
  }

  /** The HTTP chunks, the last one possibly torn; `whole` when the closing chunk came. */
  get chunked(): { chunks: Buffer[]; whole: boolean; torn: boolean } {
    const chunks: Buffer[] = [];
    let rest = this.bytes.subarray(this.bytes.indexOf('\r\n\r\n') + 4);
    while (rest.length > 0) {
      const line = rest.indexOf('\r\n');
      const size = Number.parseInt(rest.toString('latin1', 0, line), 16);
      if (size === 0) return { chunks, whole: true, torn: false };
      const chunk = rest.subarray(line + 2, line + 2 + size);
      if (chunk.length < size) return { chunks: [...chunks, chunk], whole: false, torn: true };
      chunks.push(chunk);
      rest = rest.subarray(line + 2 + size + 2);
    }
    return { chunks, whole: false, torn: false };
  }

  get body(): Buffer {
    return Buffer.concat(this.chunked.chunks);
  }

  get events(): string[] {
    return [...this.body.toString().matchAll(/^event: (\S+)/gm)].map((match) => match[1] ?? '');
  }

  /** Until the answer is whole, or the connection is over. */
  async done(): Promise<this> {
    await eventually(() =>
      expect(this.ended !== 'open' || (this.head !== '' && this.chunked.whole)).toBe(true),
    );
    return this;
  }

  close(): void {
    this.socket.destroy();
  }
}

const ask = async (directive: string, options = {}): Promise<Client> => {
  const client = await new Client().send(directive, options).done();
  client.close();
  return client;
};
const last = () => simulator.requests.at(-1);

describe('how an answer ends', () => {
  it('resets before the head, after so many events, and at a byte', async () => {
    const before = await ask('reset=head');
    expect([before.ended, before.bytes.length]).toEqual(['reset', 0]);
    // On a busy machine data and RST may be read together, and then libuv calls it an end: look again.
    const resets = async (directive: string) => {
      for (let tries = 0; tries < 10; tries += 1) if ((await ask(directive)).ended === 'reset') return true;
      return false;
    };
    expect(await resets('reset=3')).toBe(true);
    expect(last()).toMatchObject({ ended: 'cut-by-fault', framesSent: 3, status: 200 });
    expect(await resets('reset=100b')).toBe(true);
    expect(last()?.bytesSent).toBe(100);
  });

  it('ends cleanly but too early', async () => {
    const client = await ask('end=4');
    expect(client.chunked.whole).toBe(true);
    expect(client.events).toEqual(['message_start', 'content_block_start', 'ping', 'content_block_delta']);
    expect(last()).toMatchObject({ ended: 'cut-by-fault', framesSent: 4 });
  });

  it('closes without the closing chunk, and before any head', async () => {
    const client = await ask('fin=2');
    expect(client.chunked).toMatchObject({ whole: false, torn: false });
    expect([client.ended, client.events.length]).toEqual(['fin', 2]);
    const before = await ask('fin=head');
    expect([before.ended, before.bytes.length]).toEqual(['fin', 0]);
  });

  it('cuts inside a chunk that announced more', async () => {
    const client = await ask('cut=2');
    expect(client.chunked).toMatchObject({ whole: false, torn: true });
    expect(client.ended).toBe('fin');
  });

  it('cuts a JSON answer, with and without a length', async () => {
    const chunked = await ask('fin=50b', { stream: false });
    expect([chunked.body.length, chunked.chunked.whole]).toEqual([50, false]);
    const counted = await ask('fin=50b length', { stream: false });
    expect(Number(/content-length: (\d+)/i.exec(counted.head)?.[1])).toBeGreaterThan(50);
    expect(counted.bytes.length - counted.head.length - 4).toBe(50);
  });

  it('hangs before the head, in mid-stream and after the last byte, and sees the client go', async () => {
    for (const [point, events] of [
      ['head', 0],
      ['3', 3],
      ['tail', undefined],
    ] as const) {
      const client = new Client().send(`hang=${point}`);
      await eventually(() => {
        expect(simulator.inFlight('sk-ant-sim-1')).toBe(1);
        expect(client.events.length).toBeGreaterThanOrEqual(events ?? 10);
      });
      await pause(50);
      expect(client.ended).toBe('open');
      if (events !== undefined) expect(client.events).toHaveLength(events);
      client.close();
      await eventually(() => expect(last()?.ended).toBe('client-closed'));
      expect(simulator.inFlight()).toBe(0);
    }
  });

  it('goes on after a hang that is bounded', async () => {
    const client = await ask('hang=3 hang-for=30');
    expect(client.events.at(-1)).toBe('message_stop');
    expect(last()?.ended).toBe('finished');
  });

  it('sees a client that leaves with FIN while nothing is being sent', async () => {
    const client = new Client().send('hang=head');
    await eventually(() => expect(simulator.inFlight()).toBe(1));
    client.socket.end();
    await eventually(() => expect(last()?.ended).toBe('client-closed'));
  });

  it('ends an answer by closing the connection, without any framing', async () => {
    const client = await new Client().send('until-close say=bye').done();
    expect(client.head).toMatch(/connection: close/i);
    expect(client.head).not.toMatch(/transfer-encoding|content-length/i);
    expect(client.bytes.toString()).toMatch(/message_stop"}\n\n$/);
  });

  it('closes the idle socket without a word', async () => {
    const client = await new Client().send('idle-close=10').done();
    expect(client.head).not.toMatch(/connection: close/i);
    await eventually(() => expect(client.ended).toBe('fin'));
  });

  it('answers before the body has been read', async () => {
    simulator.plan({ times: 1, fault: { status: 413, beforeBody: true } });
    const client = new Client();
    client.socket.write(
      'POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-ant-sim-1\r\ncontent-length: 1000000\r\n\r\n{"mo',
    );
    await client.done();
    expect(client.head).toMatch(/^HTTP\/1.1 413/);
    client.close();
  });
});

describe('how bytes are cut', () => {
  const whole = async (directive: string, options = {}) => (await ask(directive, options)).body.toString();

  it('splits at every byte, at offsets, inside characters and inside line ends, changing no byte', async () => {
    const say = 'say="é 漢 🙂"';
    const plain = await whole(`eol=crlf ${say}`);
    const chunks = async (split: string) => {
      const client = await ask(`eol=crlf ${say} split=${split}`);
      expect(client.body.toString()).toBe(plain);
      return client.chunked.chunks;
    };
    expect((await chunks('1')).every((chunk) => chunk.length === 1)).toBe(true);
    expect((await chunks('7')).filter((chunk) => chunk.length > 7)).toEqual([]);
    const [first, second] = await chunks('@5,9');
    expect([first?.length, second?.length]).toEqual([5, 4]);
    const torn = await chunks('utf8');
    expect(torn.filter((chunk) => chunk.toString('utf8').includes('\ufffd')).length).toBeGreaterThanOrEqual(
      4,
    );
    const lines = await chunks('crlf');
    expect(lines.filter((chunk) => chunk.at(-1) === 13).length).toBeGreaterThan(10);
    expect(lines.filter((chunk) => chunk.length === 1 && chunk[0] === 10).length).toBeGreaterThan(10);
  });

  it.each([
    ['lf', '\n'],
    ['cr', '\r'],
    ['crlf', '\r\n'],
  ])('ends lines with %s', async (name, end) => {
    const text = await whole(`eol=${name} bom comments pings=2 unknown-events=3 deltas=6`);
    expect(text.startsWith('\ufeff' + `event: message_start${end}data: {`)).toBe(true);
    expect(text.endsWith(`"message_stop"}${end}${end}`)).toBe(true);
    expect(text.split(end).join('')).not.toMatch(/[\r\n]/);
    expect(text).toContain(`: comment 3${end}${end}`);
    expect(text).toContain('event: future_event');
    expect(text.match(/event: ping/g)).toHaveLength(4);
  });

  it('ends Gemini frames with CRLF CRLF', async () => {
    const text = await whole('say=hi', {
      path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    });
    expect(text).toMatch(/^data: \{"candidates".*\}\r\n\r\n$/);
  });

  it('waits before the head, between deltas and between bytes', async () => {
    const took = async (directive: string) => {
      const began = performance.now();
      await ask(directive);
      return performance.now() - began;
    };
    expect(await took('latency=120')).toBeGreaterThanOrEqual(119);
    expect(await took('deltas=20 every=10')).toBeGreaterThanOrEqual(200);
    const client = new Client().send('drip=30');
    await eventually(() => expect(client.chunked.chunks.length).toBeGreaterThan(3));
    expect(client.chunked.chunks.every((chunk) => chunk.length === 1)).toBe(true);
    client.close();
  });
});

describe('what is answered instead', () => {
  it.each([
    ['html', /^HTTP\/1.1 200[^]*content-type: text\/html/, /<html>/],
    ['empty', /^HTTP\/1.1 200[^]*application\/json/, /^$/],
    ['bad-json', /^HTTP\/1.1 200[^]*application\/json/, /"ty$/],
    ['wrong-type=text/plain', /^HTTP\/1.1 200[^]*content-type: text\/plain/, /message_start/],
    ['redirect=http://169.254.169.254/', /^HTTP\/1.1 302[^]*location: http:\/\/169/, /^$/],
    ['status=502 html', /^HTTP\/1.1 502[^]*text\/html/, /Bad Gateway/],
    ['status=401 echo', /^HTTP\/1.1 401/, /authentication_error.*sk-ant-sim-1/],
    ['status=403 reason=org-disabled', /^HTTP\/1.1 403/, /organization disabled/],
    ['status=400 reason=org-hold', /^HTTP\/1.1 400/, /"error_code":"organization_on_hold"/],
    [
      'status=429 retry-after="Wed, 21 Oct 2026 07:28:00 GMT"',
      /retry-after: Wed, 21 Oct 2026/,
      /rate_limit_error/,
    ],
    ['status=429 unified=rejected unified-reset=1790000000', /unified-reset: 1790000000/, /rate_limit/],
    ['set-cookie', /set-cookie: sid=upstream/, /message_start/],
    ['hop-by-hop', /connection: keep-alive, x-hop[^]*proxy-authenticate/, /message_start/],
    ['echo-header header.x-more="a b"', /x-echo: sk-ant-sim-1[^]*x-more: a b/, /message_start/],
    ['huge-headers=20kb', new RegExp(`x-huge: h{${20 * 1024}}`), /message_start/],
  ])('%s', async (directive, head, body) => {
    const client = await ask(directive);
    expect(client.head).toMatch(head);
    expect(client.body.toString()).toMatch(body);
  });

  it('compresses though identity was asked', async () => {
    const client = await ask('gzip large=3mb', { stream: false });
    expect(client.head).toMatch(/content-encoding: gzip/);
    expect(client.body.length).toBeLessThan(100_000);
    expect(gunzipSync(client.body).length).toBeGreaterThan(3 * 1024 * 1024);
  });

  it.each([
    ['missing', /"stop_sequence":null}}/, undefined],
    ['null', /"output_tokens":null/, undefined],
    ['zero', /"output_tokens":0/, undefined],
    ['negative', /"output_tokens":-1/, undefined],
    ['huge', /"output_tokens":9007199254740994/, undefined],
    ['float', /"output_tokens":12.5/, undefined],
    ['string', /"output_tokens":"12"/, undefined],
    ['repeated', /"output_tokens":2}/g, 3],
    ['falling', /"output_tokens":(4|3|2)}/g, 3],
    ['output-only', /"usage":\{"output_tokens":2\}/, undefined],
  ])('usage=%s', async (variant, shape, times) => {
    const body = (await ask(`usage=${variant} say="two words"`)).body.toString();
    const matches = body.match(shape);
    expect(matches).not.toBeNull();
    if (times !== undefined) expect(matches).toHaveLength(times);
  });

  it('tells the token counts that it is told to', async () => {
    const body = (
      await ask('input-tokens=11 output-tokens=22 cached-tokens=33 server-tools=2')
    ).body.toString();
    expect(body).toMatch(/"input_tokens":11.*"cache_read_input_tokens":33/);
    expect(body).toMatch(/"output_tokens":22,"server_tool_use":\{"web_search_requests":2/);
  });

  it('fails so many times for one body, and never for another', async () => {
    const statuses = async (directive: string) => (await ask(directive)).head.slice(9, 12);
    expect(await statuses('status=503 times=1 say=a')).toBe('503');
    expect(await statuses('status=503 times=1 say=b')).toBe('503');
    expect(await statuses('status=503 times=1 say=a')).toBe('200');
  });
});

describe('backpressure', () => {
  it('stops when the client stops reading, and says how far the kernel took it', async () => {
    const client = new Client();
    client.socket.pause();
    client.send('large=64mb');
    let before = -1;
    await eventually(() => {
      const now = last()?.bytesSent ?? 0;
      const still = now > 0 && now === before;
      before = now;
      expect(still).toBe(true);
    }, 100);
    expect(last()?.bytesSent).toBeLessThan(32 * 1024 * 1024);
    client.socket.resume();
    const stopped = before;
    await eventually(() => expect(last()?.bytesSent).toBeGreaterThan(stopped));
    client.close();
    await eventually(() => expect(last()?.ended).toBe('client-closed'));
  });

  it('sends a line without an end', async () => {
    const client = await ask('endless-line=300kb');
    expect(client.body.length).toBe(6 + 300 * 1024);
    expect(client.body.includes('\n')).toBe(false);
  });
});

describe('the oracle', () => {
  it('knows what was sent to whom, by marker, and on which socket', async () => {
    const client = await new Client().send('marker=m-1').done();
    const first = client.body;
    client.bytes = Buffer.alloc(0);
    await client.send('marker=m-2').done();
    client.close();
    expect(simulator.answered('m-1')?.equals(first)).toBe(true);
    expect(first.toString()).toContain('m-1');
    expect(simulator.answered('m-2')?.equals(client.body)).toBe(true);
    expect(simulator.find('m-1')?.socket).toBe(simulator.find('m-2')?.socket);
    expect(simulator.sockets.at(-1)?.requests).toHaveLength(2);
    expect(simulator.usedAfterCut).toBe(0);
    await eventually(() => expect(simulator.openSockets).toBe(0));
  });

  it('counts what is in flight by credential, and the most there was', async () => {
    simulator.plan({ fault: { hang: 'head' } });
    const clients = [1, 2, 3].map((n) => new Client().send(`say=${n}`));
    await eventually(() => expect(simulator.inFlight('sk-ant-sim-1')).toBe(3));
    for (const client of clients) client.close();
    await eventually(() => expect(simulator.inFlight()).toBe(0));
    expect(simulator.maxInFlight('sk-ant-sim-1')).toBe(3);
    simulator.clear();
    expect([simulator.maxInFlight(), simulator.requests.length]).toEqual([0, 0]);
  });

  it('matches plans by credential, model and path, as often as they say', async () => {
    const fault: Fault = { status: 500 };
    simulator.plan({ credential: 'sk-ant-sim-other', fault });
    simulator.plan({ model: 'claude-haiku-4-5', fault });
    const back = simulator.plan({ credential: 'sk-ant-sim-1', model: 'claude-opus-5', times: 2, fault });
    const status = async () => (await ask('say=x')).head.slice(9, 12);
    expect([await status(), await status(), await status()]).toEqual(['500', '500', '200']);
    const stop = simulator.plan({ path: '/v1/messages', fault });
    expect(await status()).toBe('500');
    stop();
    back();
    expect(await status()).toBe('200');
  });

  it('is there for other processes, over HTTP', async () => {
    const post = (path: string, body: object) =>
      fetch(`${simulator.url}/_simulator/${path}`, { method: 'POST', body: JSON.stringify(body) });
    expect((await post('plan', { times: 1, fault: { status: '529', retryAfter: 7 } })).status).toBe(201);
    const wrong = await post('plan', { fault: { nonsense: 1 } });
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      { error: 'sim directive "nonsense" is not known' },
    ]);
    expect((await ask('marker=far')).head).toMatch(/^HTTP\/1.1 529[^]*retry-after: 7/);
    const { requests } = (await (await fetch(`${simulator.url}/_simulator/requests?bodies=1`)).json()) as {
      requests: { marker: string; status: number; ended: string; body: string }[];
    };
    expect(requests).toMatchObject([{ marker: 'far', status: 529, ended: 'finished' }]);
    expect(Buffer.from(requests[0]?.body ?? '', 'base64').toString()).toContain('marker=far');
    const state: unknown = await (await fetch(`${simulator.url}/_simulator/state`)).json();
    expect(state).toMatchObject({
      requests: 1,
      inFlight: 0,
      byCredential: { 'sk-ant-sim-1': { maxInFlight: 1 } },
    });
    expect(await (await post('oauth', { grant: {} })).json()).toMatchObject({
      accessToken: 'sim-access-1',
    });
    await post('revoke', { credential: 'sk-ant-sim-1' });
    expect((await ask('say=x')).head).toMatch(/^HTTP\/1.1 401/);
    expect((await fetch(`${simulator.url}/_simulator`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask('say=x')).head).toMatch(/^HTTP\/1.1 200/);
  });

  it('keeps only so many records', async () => {
    const small = await startSimulator({ records: 20 });
    for (let n = 0; n < 50; n += 1) await (await fetch(`${small.url}/api/hello`)).text();
    expect(small.requests.length).toBeLessThanOrEqual(22);
    expect(small.requests.at(-1)?.id).toBe(50);
    await small.close();
  });

  it('reads a client that leaves in the middle of its own body', async () => {
    const client = new Client();
    client.socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"model"');
    await eventually(() => expect(simulator.inFlight()).toBe(1));
    client.socket.resetAndDestroy();
    await eventually(() => expect(last()?.ended).toBe('client-closed'));
  });
});

async function eventually(check: () => void, every = 10): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return check();
    } catch (error) {
      if (tries > 500) throw error;
      await pause(every);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
