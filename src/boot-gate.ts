import type { RequestHandler } from 'express';

/**
 * Who comes between the taking of the port and the end of the start waits for it, since whoever listens has its
 * administrator. States: shut → open.
 */
export class BootGate {
  private isOpen = false;
  private readonly waiting: (() => void)[] = [];

  readonly middleware: RequestHandler = (_request, _response, next) => {
    if (this.isOpen) next();
    else this.waiting.push(next);
  };

  open(): void {
    this.isOpen = true;
    for (const next of this.waiting.splice(0)) next();
  }
}
