import { All, Controller, Get, HttpCode, Param, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { relayHeaders } from '../access/relay-headers.ts';
import { contextOf } from '../access/request-context.ts';
import { Policy } from '../access/route-policy.ts';
import { anthropic } from '../dialects/anthropic.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Door } from '../keys/door.decorator.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { DialectErrors } from '../relay/dialect-error.filter.ts';
import { Exchange } from '../relay/exchange.ts';
import { document, Responder } from '../relay/responder.ts';
import { ClaudeService } from './claude.service.ts';

const DOOR = 'claude';

/** The claude door, at the root and under `/claude`: official Anthropic SDKs and Claude Code, unchanged. */
@ApiExcludeController()
@Controller()
@Door(DOOR)
@UseFilters(
  DialectErrors(
    () => anthropic,
    () => DOOR,
  ),
)
export class ClaudeController {
  constructor(
    private readonly claude: ClaudeService,
    private readonly responder: Responder,
  ) {}

  @Post(['v1/messages', 'claude/v1/messages'])
  @Policy('key')
  @UseGuards(KeyGuard)
  async messages(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    await this.responder.send(exchange, await this.claude.messages(exchange, 'generate'));
  }

  @Post(['v1/messages/count_tokens', 'claude/v1/messages/count_tokens'])
  @Policy('key')
  @UseGuards(KeyGuard)
  async countTokens(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    await this.responder.send(exchange, await this.claude.messages(exchange, 'count'));
  }

  @Get('claude/v1/models')
  @Policy('key')
  @UseGuards(KeyGuard)
  async models(@Req() request: Request, @Res() response: Response): Promise<void> {
    const exchange = this.exchange(request, response);
    document(exchange, await this.claude.models(exchange));
  }

  @Get('claude/v1/models/:id')
  @Policy('key')
  @UseGuards(KeyGuard)
  async model(@Req() request: Request, @Res() response: Response, @Param('id') id: string): Promise<void> {
    const exchange = this.exchange(request, response);
    document(exchange, await this.claude.model(exchange, id));
  }

  /** Claude Code asks for it at start, without a credential; any status will do (real-clients, section 6). */
  @Get(['api/hello', 'claude/api/hello'])
  @HttpCode(200)
  @Policy('public')
  hello(@Req() request: Request, @Res() response: Response): void {
    response.writeHead(200, relayHeaders({ ...contextOf(request), attempts: 0, edits: [] })).end();
  }

  @All(['claude', 'claude/*rest'])
  @Policy('public')
  unknown(): never {
    throw new RelayError('route-unknown', 'There is no such route');
  }

  private exchange(request: Request, response: Response): Exchange {
    return new Exchange(request, response, anthropic, DOOR, callerOf(request));
  }
}
