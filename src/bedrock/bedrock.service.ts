import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { readBedrockCall } from '../dialects/bedrock-call.ts';
import type { Exchange } from '../relay/exchange.ts';
import { Intake } from '../relay/intake.ts';
import type { RelayEvent } from '../relay/relay-event.ts';
import type { BedrockPath } from './bedrock-path.ts';

/** The bedrock door: the runtime's operations in, served by accounts that speak them byte for byte. */
@Injectable()
export class BedrockService {
  constructor(private readonly intake: Intake) {}

  /** @throws CallError or RelayError before anything is taken */
  call(exchange: Exchange, path: BedrockPath): Promise<Observable<RelayEvent>> {
    const { headers } = exchange.request;
    return this.intake.open(exchange, (body) => readBedrockCall({ ...path, headers, body }));
  }
}
