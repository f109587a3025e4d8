import type { Express } from 'express';
import { IncomingMessage, ServerResponse } from 'node:http';

/** The classes that a server makes its requests and responses of. */
export interface MessageClasses {
  readonly IncomingMessage: typeof IncomingMessage;
  readonly ServerResponse: typeof ServerResponse;
}

/**
 * Requests and responses that are Express' own from their first moment. Express sets the prototype of each that comes;
 * where it is the right one already, that does nothing. Otherwise V8 gives every single request a hidden class of its
 * own once a property is added, and no inline cache in Node, Express or here ever knows it again: about a hundred misses
 * a request, a fifth of its whole cost.
 */
export function messageClassesOf(app: Express): MessageClasses {
  class ExpressRequest extends IncomingMessage {}
  class ExpressResponse<From extends IncomingMessage = IncomingMessage> extends ServerResponse<From> {}
  app.request = takePlaceOf(app.request, ExpressRequest.prototype);
  app.response = takePlaceOf(app.response, ExpressResponse.prototype);
  return { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };
}

/** `successor` with what `prototype` has of its own and inherits. */
function takePlaceOf<Prototype extends object>(prototype: Prototype, successor: object): Prototype {
  Object.setPrototypeOf(successor, Object.getPrototypeOf(prototype) as object);
  return Object.defineProperties(successor, Object.getOwnPropertyDescriptors(prototype)) as Prototype;
}
