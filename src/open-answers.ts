import type { ServerResponse } from 'node:http';

/**
 * Every answer that is not with its client yet: of any route, from the reading of its request's head until its last
 * byte was handed to the system or its connection is gone.
 *
 * States of one: open → over, once. Shutdown waits until none is open.
 */
export class OpenAnswers {
  private readonly open = new Set<ServerResponse>();
  private waiting: (() => void)[] = [];

  add(response: ServerResponse): void {
    const over = (): void => this.over(response);
    this.open.add(response);
    response.on('close', over);
    if (response.socket !== null) return;
    // The answer to a pipelined request has no socket before its turn, and is not told when the connection goes.
    const { socket } = response.req;
    socket.setMaxListeners(0).on('close', over);
    response.on('close', () => socket.off('close', over));
  }

  /** Resolves when none is open, or when `ms` have passed. */
  async ended(ms: number): Promise<void> {
    if (this.open.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  private over(response: ServerResponse): void {
    this.open.delete(response);
    if (this.open.size > 0 || this.waiting.length === 0) return;
    for (const wake of this.waiting.splice(0)) wake();
  }
}
