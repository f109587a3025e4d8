import { withSessionSettings } from './session-settings.ts';

const optionsOf = (url: string): string | null => new URL(url).searchParams.get('options');

describe('session settings in a connection URL', () => {
  it('are asked for at connect, under the given name', () => {
    const url = withSessionSettings('postgres://u:p@h:5432/d', { application_name: 'a b', jit: 'off' });
    expect(optionsOf(url)).toBe('-c jit=off');
    expect(new URL(url).searchParams.get('application_name')).toBe('a b');
  });

  it('come after those of the operator, so that ours win, and leave other parameters alone', () => {
    const own = 'postgres://u:p%40@h/d?sslmode=require&options=-c%20jit%3Don';
    const url = withSessionSettings(own, { jit: 'off', lock_timeout: '5s' });
    expect(optionsOf(url)).toBe('-c jit=on -c jit=off -c lock_timeout=5s');
    expect(url).toContain('sslmode=require');
    expect(url).toContain('u:p%40@h/d');
  });

  it('may hold spaces', () => {
    expect(optionsOf(withSessionSettings('postgres://h/d', { search_path: 'a, b' }))).toBe(
      '-c search_path=a,\\ b',
    );
  });
});
