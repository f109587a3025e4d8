import { All, Controller, Get, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Policy } from '../access/route-policy.ts';
import { anthropicModel, anthropicModelPage } from '../dialects/anthropic-models.ts';
import { anthropic } from '../dialects/anthropic.ts';
import type { Dialect, ModelCard } from '../dialects/dialect.ts';
import { openaiModel, openaiModelPage } from '../dialects/openai-models.ts';
import { openai, openaiUnknownRoute } from '../dialects/openai.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Door } from '../keys/door.decorator.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { DialectErrors } from '../relay/dialect-error.filter.ts';
import { Exchange } from '../relay/exchange.ts';
import { ModelCatalog } from '../relay/model-catalog.ts';
import { queryOf, rawPathOf } from '../relay/request-url.ts';
import { document } from '../relay/responder.ts';

/** Anthropic's clients always say their version; nobody else does. */
function speaksAnthropic(request: Request): boolean {
  return request.headers['anthropic-version'] !== undefined;
}

const doorOf = (request: Request): string => (speaksAnthropic(request) ? 'claude' : 'openai');
const dialectOf = (request: Request): Dialect => (speaksAnthropic(request) ? anthropic : openai);

/** `/v1` at the root belongs to two dialects: model lists and unknown paths are answered in the caller's. */
@ApiExcludeController()
@Controller()
@Door(doorOf)
@UseFilters(DialectErrors(dialectOf, doorOf))
export class RootController {
  constructor(private readonly catalog: ModelCatalog) {}

  @Get('v1/models')
  @Policy('key')
  @UseGuards(KeyGuard)
  async models(@Req() request: Request, @Res() response: Response): Promise<void> {
    const cards = await this.cards(request);
    const page = speaksAnthropic(request)
      ? anthropicModelPage(cards, queryOf(request))
      : openaiModelPage(cards);
    document(this.exchange(request, response), page);
  }

  @Get('v1/models/*id')
  @Policy('key')
  @UseGuards(KeyGuard)
  async model(@Req() request: Request, @Res() response: Response): Promise<void> {
    const id = nameIn(rawPathOf(request));
    const card = (await this.cards(request)).find((one) => one.id === id);
    if (card === undefined)
      throw new RelayError('model-unknown', 'The model is not known, or this key may not use it');
    document(
      this.exchange(request, response),
      speaksAnthropic(request) ? anthropicModel(card) : openaiModel(card),
    );
  }

  @All(['v1', 'v1/*rest'])
  @Policy('public')
  @UseFilters(DialectErrors((request) => (speaksAnthropic(request) ? anthropic : openaiUnknownRoute), doorOf))
  unknown(): never {
    throw new RelayError('route-unknown', 'There is no such route');
  }

  private cards(request: Request): Promise<readonly ModelCard[]> {
    return this.catalog.cards(callerOf(request).key, dialectOf(request).name);
  }

  private exchange(request: Request, response: Response): Exchange {
    return new Exchange(request, response, dialectOf(request), doorOf(request), callerOf(request));
  }
}

function nameIn(rawPath: string): string | undefined {
  try {
    return decodeURIComponent(rawPath.slice('/v1/models/'.length));
  } catch {
    return undefined;
  }
}
