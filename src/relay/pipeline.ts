import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type Call, NO_USAGE } from '../dialects/dialect.ts';
import { Assigner } from './assigner.ts';
import { Attempt } from './attempt.ts';
import { CallForms } from './call-forms.ts';
import { type Exchange, nothingToForget } from './exchange.ts';
import { Failover } from './failover.ts';
import { isOurs, tellKept } from './kept-answer.ts';
import { lastWord } from './last-word.ts';
import type { SettledMiss } from './miss.ts';
import { OpenRuns } from './open-runs.ts';
import type { RelayEvent } from './relay-event.ts';
import { relayObservable, type Tell } from './relay-observable.ts';
import type { Try } from './try.ts';

/** THE river: from a call that was read to its answer, over one or more attempts. */
@Injectable()
export class Pipeline {
  constructor(
    private readonly assigner: Assigner,
    private readonly attempt: Attempt,
    private readonly failover: Failover,
    private readonly runs: OpenRuns,
  ) {}

  /** @param release gives the request body's share of memory back; called once, as early as can be */
  open(exchange: Exchange, call: Call, release: () => void): Observable<RelayEvent> {
    exchange.lane = call.lane;
    const forms = new CallForms(call);
    const forgetBody = (): void => {
      forms.forget();
      exchange.forgetBody = nothingToForget;
      release();
    };
    exchange.forgetBody = forgetBody;
    return relayObservable(
      exchange.flow,
      (tell) => this.run(exchange, call, forms, tell),
      (run) => this.runs.track(exchange.flow, run),
    );
  }

  private async run(exchange: Exchange, call: Call, forms: CallForms, tell: Tell): Promise<void> {
    try {
      const first = await this.assigner.first(exchange, call, forms);
      this.failover.callBegan();
      try {
        await this.attempts(exchange, first, forms, tell);
      } finally {
        this.failover.callEnded();
      }
    } finally {
      exchange.forgetBody();
    }
  }

  private async attempts(exchange: Exchange, first: Try, forms: CallForms, tell: Tell): Promise<void> {
    let one = first;
    const misses: SettledMiss[] = [];
    for (;;) {
      exchange.attempts += 1;
      // What was edited for an account that did not answer was not edited for the client. An array is seldom cut, and dearly.
      if (exchange.edits.length > 0) exchange.edits.length = 0;
      const miss = await this.attempt.run(exchange, one, tell);
      if (miss === undefined) return;
      misses.push(miss);
      const next = await this.failover.next(exchange, forms, one, misses);
      if (next.one === undefined) {
        const told = lastWord(misses, next.refused);
        if (isOurs(told)) throw told;
        await tellKept(told, { type: 'end', outcome: miss.settlement.outcome, usage: NO_USAGE }, tell);
        return;
      }
      one = next.one;
    }
  }
}
