/**
 * The entry of a table under a name that a client or an upstream chose. A plain index would find what every object
 * inherits as well: a field called `toString` is a function there.
 */
export function ownEntry<T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
