import type { AddressInfo, Server } from 'node:net';

/** Listens on a free port of loopback, tells it to the bench by its first line, and leaves when the bench does. */
export function announce(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
  process.stdin.on('end', () => process.exit()).resume();
}
