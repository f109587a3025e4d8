import type { IncomingMessage } from 'node:http';
import { contextOf } from './request-context.ts';

const request = (headers: Record<string, string>): IncomingMessage =>
  ({ headers }) as unknown as IncomingMessage;

describe('the context of a request', () => {
  it('is the same at every look and another for every request', () => {
    const one = request({});
    expect(contextOf(one)).toBe(contextOf(one));
    expect(contextOf(one).requestId).not.toBe(contextOf(request({})).requestId);
    expect(contextOf(one).requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('echoes the name that the client gave, never as its own id', () => {
    const context = contextOf(request({ 'x-request-id': 'mine' }));
    expect(context.clientRequestId).toBe('mine');
    expect(context.requestId).not.toBe('mine');
  });

  it('keeps 128 printable characters of a forged or huge name', () => {
    const id = contextOf(
      request({ 'x-request-id': `a\r\nb\u001b[31m${'x'.repeat(10_000)}` }),
    ).clientRequestId;
    expect(id).toHaveLength(128);
    expect(id).toMatch(/^[\x20-\x7e]+$/);
    expect(contextOf(request({ 'x-request-id': '  \u0007 ' })).clientRequestId).toBeUndefined();
  });
});
