import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { readGeminiCall } from '../dialects/gemini-call.ts';
import { geminiModel, geminiModelPage } from '../dialects/gemini-models.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Exchange } from '../relay/exchange.ts';
import { Intake } from '../relay/intake.ts';
import { ModelCatalog } from '../relay/model-catalog.ts';
import type { RelayEvent } from '../relay/relay-event.ts';
import { queryOf } from '../relay/request-url.ts';
import type { GeminiPath } from './gemini-path.ts';

/** The gemini door: generateContent and its kin in, whichever account speaks it behind. */
@Injectable()
export class GeminiService {
  constructor(
    private readonly intake: Intake,
    private readonly catalog: ModelCatalog,
  ) {}

  /** @throws CallError or RelayError before anything is taken */
  call(exchange: Exchange, path: GeminiPath & { readonly verb: string }): Promise<Observable<RelayEvent>> {
    const { request } = exchange;
    return this.intake.open(exchange, (body) =>
      readGeminiCall({
        version: path.version,
        model: path.model,
        verb: path.verb,
        headers: request.headers,
        query: queryOf(request),
        body,
      }),
    );
  }

  async models(exchange: Exchange): Promise<object> {
    const cards = await this.catalog.cards(exchange.caller.key, 'gemini');
    return geminiModelPage(cards, queryOf(exchange.request));
  }

  async model(exchange: Exchange, id: string): Promise<object> {
    const cards = await this.catalog.cards(exchange.caller.key, 'gemini');
    const card = cards.find((one) => one.id === id);
    if (card === undefined)
      throw new RelayError('model-unknown', 'The model is not known, or this key may not use it');
    return geminiModel(card);
  }
}
