/** What has to be stopped before the bench may leave. */
interface Stoppable {
  stop(): Promise<unknown>;
}

/**
 * All that the bench started. Ended once, in the reverse order, whatever happens; what is still starting is waited for.
 *
 * States: open → ending → ended.
 */
export class Children {
  private readonly started: Promise<Stoppable>[] = [];
  private ending: Promise<void> | undefined;

  begin<Server extends Stoppable>(start: () => Promise<Server>): Promise<Server> {
    if (this.ending !== undefined) throw new Error('the bench is leaving');
    const starting = start();
    this.started.push(starting);
    return starting;
  }

  end(): Promise<void> {
    return (this.ending ??= this.endAll());
  }

  private async endAll(): Promise<void> {
    for (const starting of this.started.reverse()) {
      const child = await starting.catch(() => undefined);
      await child?.stop();
    }
  }
}
