/**
 * Which call a result answers. Gemini's ids are optional on both sides: a result with an id belongs to the call of that
 * id; one without, or with an id that the client made up itself (Gemini CLI does), to the oldest unanswered call of its
 * name. Calls without an id get one from their place in the conversation, so that the next turn, which repeats it, gives
 * them the same. Where a client put more into an id than other vendors allow (Gemini CLI: the tool's name), that becomes
 * `_`.
 */
export class CallIds {
  private readonly open: { readonly id: string; readonly name: string; readonly own: string | undefined }[] =
    [];
  private readonly given = new Set<string>();

  call(id: string | undefined, name: string, at: string): string {
    const own = id === '' ? undefined : id;
    let used = own?.replaceAll(/[^A-Za-z0-9_-]/g, '_') ?? `call_${(at.match(/\d+/g) ?? ['0']).join('_')}`;
    while (own === undefined && this.given.has(used)) used += '_';
    this.given.add(used);
    this.open.push({ id: used, name, own });
    return used;
  }

  /** Undefined: there is no such call. */
  answer(id: string | undefined, name: string): string | undefined {
    const byId = this.open.findIndex((call) => call.own !== undefined && call.own === id);
    const byName = this.open.findIndex(
      (call) => call.name === name && (call.own === undefined || id === undefined),
    );
    const [found] = this.open.splice(byId >= 0 ? byId : byName >= 0 ? byName : this.open.length, 1);
    return found?.id;
  }
}
