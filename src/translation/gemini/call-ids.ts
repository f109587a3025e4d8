/**
 * Which call a result answers. Gemini's ids are optional on both sides: a result with an id belongs to the call of that
 * id; one without, or with an id that the client made up itself (Gemini CLI does), to the oldest unanswered call of its
 * name. Calls without an id get one from their place in the conversation, so that the next turn, which repeats it, gives
 * them the same. Where a client put more into an id than other vendors allow (Gemini CLI: the tool's name), that becomes
 * `_`.
 */
export class CallIds {
  private readonly given = new Set<string>();
  private readonly byId = new Map<string, Calls>();
  /** Those that a result without an id may answer. */
  private readonly byName = new Map<string, Calls>();
  /** Those that a result may answer whatever its id says. */
  private readonly nameless = new Map<string, Calls>();

  call(id: string | undefined, name: string, at: string): string {
    const own = id === '' ? undefined : id;
    let used = own?.replaceAll(/[^A-Za-z0-9_-]/g, '_') ?? `call_${(at.match(/\d+/g) ?? ['0']).join('_')}`;
    while (own === undefined && this.given.has(used)) used += '_';
    this.given.add(used);
    const open = { id: used, answered: false };
    add(this.byName, name, open);
    if (own === undefined) add(this.nameless, name, open);
    else add(this.byId, own, open);
    return used;
  }

  /** Undefined: there is no such call. */
  answer(id: string | undefined, name: string): string | undefined {
    const byId = id === undefined ? undefined : oldest(this.byId.get(id));
    const found = byId ?? oldest((id === undefined ? this.byName : this.nameless).get(name));
    if (found !== undefined) found.answered = true;
    return found?.id;
  }
}

interface Open {
  readonly id: string;
  answered: boolean;
}

/** In their order; those before `next` are answered. */
interface Calls {
  readonly list: Open[];
  next: number;
}

function add(calls: Map<string, Calls>, key: string, open: Open): void {
  const found = calls.get(key);
  if (found === undefined) calls.set(key, { list: [open], next: 0 });
  else found.list.push(open);
}

function oldest(calls: Calls | undefined): Open | undefined {
  if (calls === undefined) return undefined;
  while (calls.list[calls.next]?.answered === true) calls.next += 1;
  return calls.list[calls.next];
}
