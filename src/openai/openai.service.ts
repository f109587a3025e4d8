import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type OpenaiInput, readOpenaiCall } from '../dialects/openai-call.ts';
import { openaiModel, openaiModelPage } from '../dialects/openai-models.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Exchange } from '../relay/exchange.ts';
import { Intake } from '../relay/intake.ts';
import { ModelCatalog } from '../relay/model-catalog.ts';
import type { RelayEvent } from '../relay/relay-event.ts';

/** The openai door: chat completions, embeddings and responses in, whichever account serves them behind. */
@Injectable()
export class OpenaiService {
  constructor(
    private readonly intake: Intake,
    private readonly catalog: ModelCatalog,
  ) {}

  /** @throws CallError or RelayError before anything is taken */
  call(exchange: Exchange, route: OpenaiInput['route']): Promise<Observable<RelayEvent>> {
    const { headers } = exchange.request;
    return this.intake.open(exchange, (body) => readOpenaiCall({ route, headers, body }));
  }

  async models(exchange: Exchange): Promise<object> {
    return openaiModelPage(await this.catalog.cards(exchange.caller.key, 'openai'));
  }

  async model(exchange: Exchange, id: string | undefined): Promise<object> {
    const cards = await this.catalog.cards(exchange.caller.key, 'openai');
    const card = cards.find((one) => one.id === id);
    if (card === undefined)
      throw new RelayError('model-unknown', 'The model is not known, or this key may not use it');
    return openaiModel(card);
  }
}
