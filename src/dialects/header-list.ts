/**
 * An allow-list of headers: names in lower case, of which one that ends with `*` stands for any ending. Whether a name is
 * on it is asked for every header of every call and answer.
 */
export class HeaderList {
  private readonly names: ReadonlySet<string>;
  private readonly beginnings: readonly string[];

  constructor(...entries: readonly string[]) {
    this.names = new Set(entries.filter((entry) => !entry.endsWith('*')));
    this.beginnings = entries.filter((entry) => entry.endsWith('*')).map((entry) => entry.slice(0, -1));
  }

  has(name: string): boolean {
    if (this.names.has(name)) return true;
    for (const beginning of this.beginnings) if (name.startsWith(beginning)) return true;
    return false;
  }
}
