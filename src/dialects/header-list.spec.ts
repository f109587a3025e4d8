import { HeaderList } from './header-list.ts';

describe('an allow-list of headers', () => {
  const list = new HeaderList('accept', 'x-stainless-*', 'user-agent');

  it.each(['accept', 'user-agent', 'x-stainless-', 'x-stainless-os'])('has %s', (name) => {
    expect(list.has(name)).toBe(true);
  });

  it.each(['accept-encoding', 'accep', 'x-stainless', 'my-x-stainless-os', 'x-sta', ''])(
    'has no "%s"',
    (name) => {
      expect(list.has(name)).toBe(false);
    },
  );
});
