import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

/** undici's parser of a connection, as 7.30.2 has it (lib/dispatcher/client-h1.js). */
interface Parser {
  paused: boolean;
  shouldKeepAlive: boolean;
  readonly ptr: number;
  readonly llhttp: { llhttp_resume(parser: number): void };
}

/**
 * Connections whose end finds the parser going on. Were it paused just then, undici's own assertion would end the
 * process (nodejs/undici issue 5360, mended in 8, which needs a newer Node): an upstream that closes behind its answer
 * and a client that reads slowly are enough.
 */
export function unpausedAtEnd(connect: buildConnector.connector): buildConnector.connector {
  return (target, callback) =>
    connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error !== null) return callback(error, null);
      // Before undici listens to it.
      socket.on('end', goOn).on('error', tellReset);
      callback(null, socket);
    });
}

/** All that came was parsed, or this event would not be here yet: only the end is missing. */
function goOn(this: Socket): void {
  const parser = parserOf(this);
  if (parser?.paused !== true) return;
  parser.llhttp.llhttp_resume(parser.ptr);
  parser.paused = false;
}

/** What had not been parsed is lost, so this is no end, however the answer is framed. */
function tellReset(this: Socket): void {
  const parser = parserOf(this);
  if (parser?.paused === true) parser.shouldKeepAlive = true;
}

function parserOf(socket: Socket): Parser | null | undefined {
  const name = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser');
  return name && (socket as unknown as Record<symbol, Parser | null>)[name];
}
