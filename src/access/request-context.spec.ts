import type { IncomingMessage } from 'node:http';
import { contextOf } from './request-context.ts';

const request = (): IncomingMessage => ({ headers: {} }) as IncomingMessage;

describe('the context of a request', () => {
  it('has ids in the order of arrival, also within a millisecond', () => {
    const ids = Array.from({ length: 2_000 }, () => contextOf(request()).requestId);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
