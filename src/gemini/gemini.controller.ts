import { All, Controller, Get, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Policy } from '../access/route-policy.ts';
import { gemini } from '../dialects/gemini.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Door } from '../keys/door.decorator.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { DialectErrors } from '../relay/dialect-error.filter.ts';
import { Exchange } from '../relay/exchange.ts';
import { rawPathOf } from '../relay/request-url.ts';
import { document, Responder } from '../relay/responder.ts';
import { readGeminiPath } from './gemini-path.ts';
import { GeminiService } from './gemini.service.ts';

const DOOR = 'gemini';
const MODELS = ['v1beta/models', 'gemini/v1beta/models', 'gemini/v1/models'];
const ONE_MODEL = [...MODELS, 'v1beta/tunedModels', 'gemini/v1beta/tunedModels', 'gemini/v1/tunedModels'].map(
  (path) => `${path}/*model`,
);

/** The gemini door, at the root and under `/gemini`: the Google GenAI SDK and Gemini CLI, unchanged. */
@ApiExcludeController()
@Controller()
@Door(DOOR)
@UseFilters(
  DialectErrors(
    () => gemini,
    () => DOOR,
  ),
)
export class GeminiController {
  constructor(
    private readonly gemini: GeminiService,
    private readonly responder: Responder,
  ) {}

  @Post(ONE_MODEL)
  @Policy('key')
  @UseGuards(KeyGuard)
  async call(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    const path = readGeminiPath(rawPathOf(request));
    if (path?.verb === undefined) throw new RelayError('route-unknown', 'There is no such route');
    await this.responder.send(exchange, await this.gemini.call(exchange, { ...path, verb: path.verb }));
  }

  @Get(MODELS)
  @Policy('key')
  @UseGuards(KeyGuard)
  async models(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    document(exchange, await this.gemini.models(exchange));
  }

  @Get(ONE_MODEL)
  @Policy('key')
  @UseGuards(KeyGuard)
  async model(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    const path = readGeminiPath(rawPathOf(request));
    if (path === undefined || path.verb !== undefined)
      throw new RelayError('route-unknown', 'There is no such route');
    document(exchange, await this.gemini.model(exchange, path.model));
  }

  @All(['v1beta', 'v1beta/*rest', 'gemini', 'gemini/*rest'])
  @Policy('public')
  unknown(): never {
    throw new RelayError('route-unknown', 'There is no such route');
  }

  private exchange(request: Request, response: Response): Exchange {
    return new Exchange(request, response, gemini, DOOR, callerOf(request));
  }
}
