import type { RequestListener } from 'node:http';

/**
 * Who comes between the taking of the port and the end of the start waits for it, since whoever listens has its
 * administrator. States: shut → open.
 */
export class BootGate {
  private isOpen = false;
  private readonly waiting: (() => void)[] = [];

  /** Stands before every route. */
  before(listener: RequestListener): RequestListener {
    return (request, response) => {
      if (this.isOpen) listener(request, response);
      else this.waiting.push(() => listener(request, response));
    };
  }

  open(): void {
    this.isOpen = true;
    for (const enter of this.waiting.splice(0)) enter();
  }
}
