import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { readAnthropicCall } from '../dialects/anthropic-call.ts';
import { anthropicModel, anthropicModelPage } from '../dialects/anthropic-models.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Exchange } from '../relay/exchange.ts';
import { Intake } from '../relay/intake.ts';
import { ModelCatalog } from '../relay/model-catalog.ts';
import type { RelayEvent } from '../relay/relay-event.ts';
import { queryOf } from '../relay/request-url.ts';

/** The claude door: Anthropic Messages in, whichever account speaks it behind. */
@Injectable()
export class ClaudeService {
  constructor(
    private readonly intake: Intake,
    private readonly catalog: ModelCatalog,
  ) {}

  /** @throws CallError or RelayError before anything is taken */
  messages(exchange: Exchange, operation: 'generate' | 'count'): Promise<Observable<RelayEvent>> {
    const { request } = exchange;
    return this.intake.open(exchange, (body) =>
      readAnthropicCall({
        operation,
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        query: queryOf(request),
        body,
      }),
    );
  }

  async models(exchange: Exchange): Promise<object> {
    const cards = await this.catalog.cards(exchange.caller.key, 'anthropic');
    return anthropicModelPage(cards, queryOf(exchange.request));
  }

  async model(exchange: Exchange, id: string): Promise<object> {
    const cards = await this.catalog.cards(exchange.caller.key, 'anthropic');
    const card = cards.find((one) => one.id === id);
    if (card === undefined) throw new RelayError('model-unknown', `model: ${printable(id)} is not known`);
    return anthropicModel(card);
  }
}

function printable(id: string): string {
  return id.replace(/[^\x20-\x7e]/g, '?').slice(0, 128);
}
