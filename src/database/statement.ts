/**
 * A hot statement. Its name makes it a prepared one on each connection: parsed and planned once. Two texts under one
 * name are an error of node-postgres.
 */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What statements run on. Rows as node-postgres gives them: bigint and numeric arrive as strings. */
export interface Queryable {
  /**
   * @throws DatabaseUnavailable when the database cannot be asked now
   * @throws Error of node-postgres with the SQLSTATE as `code` when it says no
   */
  run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
}
