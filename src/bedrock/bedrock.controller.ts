import { All, Controller, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Policy } from '../access/route-policy.ts';
import { bedrockConverse } from '../dialects/bedrock-converse.ts';
import { bedrockUnknownRoute } from '../dialects/bedrock-errors.ts';
import { bedrockInvoke } from '../dialects/bedrock-invoke.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Door } from '../keys/door.decorator.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { DialectErrors } from '../relay/dialect-error.filter.ts';
import { Exchange } from '../relay/exchange.ts';
import { rawPathOf } from '../relay/request-url.ts';
import { Responder } from '../relay/responder.ts';
import { readBedrockPath } from './bedrock-path.ts';
import { BedrockService } from './bedrock.service.ts';

const DOOR = 'bedrock';
const doorOf = (): string => DOOR;

/**
 * The bedrock door, at the root and under `/bedrock`: AWS' SDKs, Anthropic's Bedrock SDK, and Claude Code in its Bedrock
 * mode, which first asks for `/inference-profiles` and goes on without (real-clients, section 6).
 */
@ApiExcludeController()
@Controller()
@Door(DOOR)
@UseFilters(DialectErrors(() => bedrockConverse, doorOf))
export class BedrockController {
  constructor(
    private readonly bedrock: BedrockService,
    private readonly responder: Responder,
  ) {}

  @Post(['model/*rest', 'bedrock/model/*rest'])
  @Policy('key')
  @UseGuards(KeyGuard)
  @UseFilters(DialectErrors((request) => (isRoute(request) ? bedrockConverse : bedrockUnknownRoute), doorOf))
  async call(@Req() request: Request, @Res() response: Response): Promise<void> {
    const path = readBedrockPath(rawPathOf(request));
    if (path === undefined) throw new RelayError('route-unknown', 'There is no such operation');
    const dialect = path.operation.startsWith('invoke') ? bedrockInvoke : bedrockConverse;
    const exchange = new Exchange(request, response, dialect, DOOR, callerOf(request));
    // On every answer; the upstream's own takes its place where it has one.
    response.setHeader('x-amzn-requestid', exchange.requestId);
    await this.responder.send(exchange, await this.bedrock.call(exchange, path));
  }

  @All(['model', 'model/*rest', 'inference-profiles', 'bedrock', 'bedrock/*rest'])
  @Policy('public')
  @UseFilters(DialectErrors(() => bedrockUnknownRoute, doorOf))
  unknown(): never {
    throw new RelayError('route-unknown', 'There is no such operation');
  }
}

function isRoute(request: Request): boolean {
  return readBedrockPath(rawPathOf(request)) !== undefined;
}
