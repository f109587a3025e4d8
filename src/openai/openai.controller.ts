import { All, Controller, Get, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Policy } from '../access/route-policy.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { OpenaiInput } from '../dialects/openai-call.ts';
import { openaiResponses } from '../dialects/openai-responses.ts';
import { openai, openaiUnknownRoute } from '../dialects/openai.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Door } from '../keys/door.decorator.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { DialectErrors } from '../relay/dialect-error.filter.ts';
import { Exchange } from '../relay/exchange.ts';
import { rawPathOf } from '../relay/request-url.ts';
import { document, Responder } from '../relay/responder.ts';
import { OpenaiService } from './openai.service.ts';

const DOOR = 'openai';
const doorOf = (): string => DOOR;
const MODELS = 'openai/v1/models';

/**
 * The openai door, at the root and under `/openai`: OpenAI's SDKs and whatever else takes their base URL. Model lists
 * at the root are shared with another door and stand with it.
 */
@ApiExcludeController()
@Controller()
@Door(DOOR)
@UseFilters(DialectErrors(() => openai, doorOf))
export class OpenaiController {
  constructor(
    private readonly openai: OpenaiService,
    private readonly responder: Responder,
  ) {}

  @Post(['v1/chat/completions', 'openai/v1/chat/completions'])
  @Policy('key')
  @UseGuards(KeyGuard)
  chat(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.answer(this.exchange(request, response), 'chat');
  }

  @Post(['v1/embeddings', 'openai/v1/embeddings'])
  @Policy('key')
  @UseGuards(KeyGuard)
  embeddings(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.answer(this.exchange(request, response), 'embeddings');
  }

  @Post(['v1/responses', 'openai/v1/responses'])
  @Policy('key')
  @UseGuards(KeyGuard)
  responses(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.answer(this.exchange(request, response, openaiResponses), 'responses');
  }

  @Get(MODELS)
  @Policy('key')
  @UseGuards(KeyGuard)
  async models(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    document(exchange, await this.openai.models(exchange));
  }

  @Get(`${MODELS}/*id`)
  @Policy('key')
  @UseGuards(KeyGuard)
  async model(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    document(exchange, await this.openai.model(exchange, nameBelow(`/${MODELS}/`, rawPathOf(request))));
  }

  @All(['openai', 'openai/*rest'])
  @Policy('public')
  @UseFilters(DialectErrors(() => openaiUnknownRoute, doorOf))
  unknown(): never {
    throw new RelayError('route-unknown', 'There is no such route');
  }

  private async answer(exchange: Exchange, route: OpenaiInput['route']): Promise<void> {
    await this.responder.send(exchange, await this.openai.call(exchange, route));
  }

  private exchange(request: Request, response: Response, dialect: Dialect = openai): Exchange {
    return new Exchange(request, response, dialect, DOOR, callerOf(request));
  }
}

/** A model's name may have slashes, as they are or percent-encoded. */
function nameBelow(prefix: string, rawPath: string): string | undefined {
  try {
    return decodeURIComponent(rawPath.slice(prefix.length));
  } catch {
    return undefined;
  }
}
