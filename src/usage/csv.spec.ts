import { toCsv } from './csv.ts';

describe('CSV', () => {
  it('has a head, one line for a row, and quotes what needs it', () => {
    const rows = [
      { name: 'plain', n: 1, cost: '0.50' },
      { name: 'a "b", c\r\nd', n: 0, cost: null },
    ];
    expect(toCsv(['name', 'n', 'cost'], rows)).toBe(
      'name,n,cost\r\nplain,1,0.50\r\n"a ""b"", c\r\nd",0,\r\n',
    );
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '|calc', '=HYPERLINK("http://x")'])(
    'takes the life out of %j',
    (text) => {
      const line = toCsv(['x'], [{ x: text }]).split('x\r\n')[1]!;
      expect(line.startsWith(`"'`)).toBe(true);
    },
  );
});
