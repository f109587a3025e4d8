import { DatabaseUnavailable } from '../database/database-unavailable.ts';
import { failureOf, type StatementFailure } from './statement-failure.ts';

describe('what a failed statement means', () => {
  const answers: [string, StatementFailure][] = [
    ['40P01', 'again'],
    ['40001', 'again'],
    ['55P03', 'again'],
    ['23505', 'data'],
    ['22P02', 'data'],
    ['22021', 'data'],
    ['42883', 'down'],
    ['XX000', 'down'],
  ];
  it.each(answers)('reads SQLSTATE %s as %s', (code, meaning) => {
    expect(failureOf(Object.assign(new Error(code), { code, severity: 'ERROR' }))).toBe(meaning);
  });

  it('knows which statements were never sent', () => {
    expect(failureOf(new DatabaseUnavailable('pool-full'))).toBe('down');
    expect(failureOf(new DatabaseUnavailable('breaker'))).toBe('down');
    expect(failureOf(new DatabaseUnavailable('read-only'))).toBe('down');
  });

  it('cannot tell what became of a statement whose answer never came', () => {
    expect(failureOf(new DatabaseUnavailable('connection'))).toBe('unknown');
    expect(failureOf(new DatabaseUnavailable('timeout'))).toBe('unknown');
    expect(failureOf(Object.assign(new Error('read'), { code: 'ECONNRESET' }))).toBe('unknown');
  });

  it('lays an error that is not of the database at the row that was being written down', () => {
    expect(failureOf(new TypeError('x is undefined'))).toBe('data');
  });
});
