import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { Call } from '../dialects/dialect.ts';
import type { Exchange } from './exchange.ts';
import { Pipeline } from './pipeline.ts';
import type { RelayEvent } from './relay-event.ts';
import { RequestBodies } from './request-body.ts';

/** How every door takes a call: its body in memory, read in the door's dialect, and on to the pipeline. */
@Injectable()
export class Intake {
  constructor(
    private readonly bodies: RequestBodies,
    private readonly pipeline: Pipeline,
  ) {}

  /** @throws CallError or RelayError before anything is taken */
  async open(exchange: Exchange, read: (body: Buffer) => Promise<Call>): Promise<Observable<RelayEvent>> {
    const { bytes, release } = await this.bodies.read(exchange.request);
    try {
      return this.pipeline.open(exchange, await read(bytes), release);
    } catch (error) {
      release();
      throw error;
    }
  }
}
