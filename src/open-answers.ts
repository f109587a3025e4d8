import type { ServerResponse } from 'node:http';

/**
 * Every answer that is not with its client yet: of any route, from the reading of its request's head until its last
 * byte was handed to the system or its connection is gone.
 *
 * States of one: open → over, once. Shutdown waits until none is open.
 */
export class OpenAnswers {
  private open = 0;
  private waiting: (() => void)[] = [];

  add(response: ServerResponse): void {
    let isOpen = true;
    const over = (): void => {
      if (isOpen) this.over();
      isOpen = false;
    };
    this.open += 1;
    response.on('close', over);
    if (response.socket !== null) return;
    // The answer to a pipelined request has no socket before its turn, and is not told when the connection goes.
    const { socket } = response.req;
    socket.setMaxListeners(0).on('close', over);
    response.on('close', () => socket.off('close', over));
  }

  /** Resolves when none is open, or when `ms` have passed. */
  async ended(ms: number): Promise<void> {
    if (this.open === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  private over(): void {
    this.open -= 1;
    if (this.open > 0 || this.waiting.length === 0) return;
    for (const wake of this.waiting.splice(0)) wake();
  }
}
