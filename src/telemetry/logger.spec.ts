import { createLogger } from './logger.ts';
import { NestLogger } from './nest-logger.ts';

function recorder(level = 'trace') {
  const chunks: string[] = [];
  const logger = createLogger(level, { write: (chunk: string) => void chunks.push(chunk) });
  const lines = (): Record<string, unknown>[] => {
    const text = chunks.join('');
    expect(text === '' || text.endsWith('\n')).toBe(true);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { logger, lines, text: () => chunks.join('') };
}

const NASTY = [
  'a\nb\r\nc',
  '\u001b[31mred\u001b[0m',
  '"quoted" \\ back',
  '\u0000\u0007',
  '\u009b31m',
  'x\u2028y\u2029z\u0085',
  '\u202etxt',
  '\ud800 lone',
];

describe('the logger', () => {
  it('writes one valid JSON line for an event, whatever stands in its fields and its message', () => {
    for (const nasty of NASTY) {
      const { logger, lines, text } = recorder();
      logger.info({ field: nasty, deep: { list: [nasty] }, [nasty]: 1 }, nasty);
      logger.child({ bound: nasty }).warn(nasty);
      expect(lines()).toHaveLength(2);
      expect(lines()[0]!.level).toBe('info');
      expect(text().split('\n')).toHaveLength(3);
      expect(text()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    }
  });

  it('keeps the text that was logged, once the line is parsed', () => {
    const { logger, lines } = recorder();
    logger.info({ field: 'x\u2028\u009by\n' }, 'said\u0085');
    expect(lines()[0]).toMatchObject({ field: 'x\u2028\u009by\n', msg: 'said\u0085' });
  });

  it('shows no credential, by the name of its field at any depth', () => {
    const { logger, text } = recorder();
    const canary = 'canary-4711-value';
    logger.info({
      headers: { authorization: canary, 'x-api-key': canary, cookie: canary, accept: 'fine' },
      account: { credentials: { apiKey: canary }, nested: { list: [{ refresh_token: canary }] } },
      password: canary,
      token: canary,
    });
    logger.child({ accessToken: canary }).info('child');
    expect(text()).not.toContain(canary);
    expect(text()).toContain('fine');
  });

  it('shows no credential by its shape, in whatever field or message it stands', () => {
    const { logger, text } = recorder();
    const secrets = [
      'rk_0123456789abcdefghijklmnop',
      'sk-ant-api03-0123456789abcdef',
      'AIzaSyA0123456789abcdefghij',
      'ya29.a0AfB_0123456789',
    ];
    for (const secret of secrets) {
      logger.info({ note: `it was ${secret}!` }, `message ${secret}`);
      logger.error({ err: new Error(`failed with ${secret}`) }, 'failed');
      logger.info({ note: `Authorization: Bearer ${secret}x` });
    }
    logger.warn('GET /v1beta/models?key=0123456789abc&alt=sse');
    logger.warn('postgres://relay:hunter22@db/relay is gone');
    for (const secret of [...secrets, '0123456789abc&', 'hunter22']) expect(text()).not.toContain(secret);
  });

  it('shows no credential among plain fields, neither by its name nor by its shape, and changes no other', () => {
    const { logger, lines, text } = recorder();
    const written = { requestId: 'r-1', clientRequestId: null, attempt: 1, probe: false };
    const plain = { ...written, reason: undefined };
    const fields = {
      ...plain,
      token: 'canary-4711',
      model: 'sk-ant-api03-0123456789abcdef',
      long: 'x'.repeat(5_000),
    };
    logger.info(plain, 'plain');
    logger.info({ ...plain, token: 'canary-4711' }, 'by name');
    logger.info({ ...plain, model: fields.model }, 'by shape');
    logger.info(fields, 'all');
    for (const secret of ['canary', '0123456789abcdef']) expect(text()).not.toContain(secret);
    expect(lines()[0]).toEqual({
      level: 'info',
      time: expect.any(String) as string,
      ...written,
      msg: 'plain',
    });
    expect(lines()[1]).toMatchObject({ ...written, token: '[redacted]' });
    expect(lines()[2]).toMatchObject({ ...written, model: 'sk-[redacted]' });
    expect((lines()[3]!.long as string).length).toBeLessThan(4_200);
    expect(fields.token).toBe('canary-4711');
  });

  it('shows no body, no query string and no further fields of an error', () => {
    const { logger, lines, text } = recorder('debug');
    const error = Object.assign(new Error('went wrong'), {
      code: 'ECONNRESET',
      config: { headers: { 'x-goog-api-key': 'canary' }, data: 'canary' },
      parameters: ['canary'],
    });
    logger.debug({ err: error, body: 'canary', messages: ['canary'], url: '/v1/messages?beta=canary' });
    logger.debug({ nested: { error } });
    expect(text()).not.toContain('canary');
    expect(lines()[0]).toMatchObject({
      url: '/v1/messages',
      err: { message: 'went wrong', code: 'ECONNRESET' },
    });
  });

  it('bounds a field that has no end', () => {
    const { logger, text } = recorder();
    const round: Record<string, unknown> = { long: 'x'.repeat(100_000) };
    round.self = round;
    logger.info(round);
    expect(text().length).toBeLessThan(60_000);
  });
});

describe('the framework’s lines', () => {
  it('are JSON too, with the context and the stack apart', () => {
    const { logger, lines } = recorder();
    const nest = new NestLogger(logger);
    nest.log('Mapped {/v1/messages, POST} route', 'RouterExplorer');
    nest.error('boom', 'Error: boom\n    at here', 'ExceptionsHandler');
    nest.error(new Error('thrown'), 'Somewhere');
    nest.verbose({ an: 'object' });
    expect(lines()).toMatchObject([
      { level: 'debug', context: 'RouterExplorer', msg: 'Mapped {/v1/messages, POST} route' },
      { level: 'error', context: 'ExceptionsHandler', msg: 'boom', stack: 'Error: boom\n    at here' },
      { level: 'error', context: 'Somewhere', msg: 'thrown', err: { message: 'thrown' } },
      { level: 'trace', msg: 'details' },
    ]);
  });
});
