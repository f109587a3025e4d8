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
    const { socket } = response.req;
    const over = (): void => {
      response.off('close', over);
      socket.off('close', over);
      this.open.delete(response);
      if (this.open.size > 0) return;
      for (const wake of this.waiting.splice(0)) wake();
    };
    this.open.add(response);
    response.on('close', over);
    // The answer to a pipelined request has no socket before its turn, and is not told when the connection goes.
    if (response.socket === null) socket.setMaxListeners(0).on('close', over);
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
}
