import { presentedKey } from './credential-header.ts';

const KEY = { found: 'key', secret: 'rk_1' };

describe('the key in a request', () => {
  it.each([
    ['Authorization', 'Bearer rk_1'],
    ['authorization', 'bearer   rk_1 '],
    ['x-api-key', 'rk_1'],
    ['X-Goog-Api-Key', ' rk_1'],
    ['api-key', 'rk_1'],
  ])('is read from %s: %s', (name, value) => {
    expect(presentedKey(['host', 'relay', name, value], '/v1/messages')).toEqual(KEY);
  });

  it('is read from the query, whatever its spelling', () => {
    for (const url of ['/v1beta/models?key=rk_1', '/x?a=b&key=rk_1', '/x?%6bey=rk%5f1']) {
      expect(presentedKey([], url)).toEqual(KEY);
    }
  });

  it('may come twice when it is the same', () => {
    const headers = ['Authorization', 'Bearer rk_1', 'x-api-key', 'rk_1', 'X-API-Key', 'rk_1'];
    expect(presentedKey(headers, '/?key=rk_1')).toEqual(KEY);
  });

  it('is in conflict with any different one', () => {
    const first = ['Authorization', 'Bearer rk_1'];
    for (const second of [
      ['x-api-key', 'rk_2'],
      ['x-goog-api-key', 'AIza'],
      ['Authorization', 'Bearer rk_2'],
      ['api-key', 'RK_1'],
    ]) {
      expect(presentedKey([...first, ...second], '/')).toEqual({ found: 'conflict' });
    }
    expect(presentedKey(first, '/?key=rk_2')).toEqual({ found: 'conflict' });
    expect(presentedKey([], '/?key=a&key=b')).toEqual({ found: 'conflict' });
    expect(presentedKey(['Authorization', 'Token rk_1', 'x-api-key', 'rk_1'], '/').found).toBe('conflict');
  });

  it('is absent when every place is empty', () => {
    for (const headers of [
      [],
      ['x-api-key', ''],
      ['authorization', 'Bearer '],
      ['authorization', 'Bearer'],
    ]) {
      expect(presentedKey(headers, '/?key=')).toEqual({ found: 'none' });
    }
  });

  it('is never an AWS signature or Basic, even beside a key', () => {
    for (const value of ['AWS4-HMAC-SHA256 Credential=AKIA/x', 'Basic cms6', 'basic cms6']) {
      expect(presentedKey(['authorization', value], '/')).toEqual({ found: 'foreign' });
      expect(presentedKey(['x-api-key', 'rk_1', 'authorization', value], '/')).toEqual({ found: 'foreign' });
    }
  });
});
