import 'reflect-metadata';
import { type CanActivate, Controller, Get, Module, Post, type Type, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AccessCheck } from './access.check.ts';
import { AccessModule } from './access.module.ts';
import { Enforces, Policy } from './route-policy.ts';

@Enforces('admin')
class AdminOnly implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

class Unmarked implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@Controller('declared')
@Policy('admin')
@UseGuards(AdminOnly)
class Declared {
  @Get()
  inherited(): void {}

  @Post()
  @Policy('public')
  own(): void {}

  noRoute(): void {}
}

@Controller('silent')
class Silent {
  @Get()
  read(): void {}
}

@Controller('unguarded')
@Policy('key')
class Unguarded {
  @Get()
  @UseGuards(Unmarked, AdminOnly)
  read(): void {}
}

async function boot(...controllers: Type[]): Promise<AccessCheck> {
  @Module({ imports: [AccessModule], controllers, providers: [AdminOnly, Unmarked] })
  class App {}
  const app = await NestFactory.createApplicationContext(App, { logger: false, abortOnError: false });
  const check = app.get(AccessCheck);
  await app.close();
  return check;
}

describe('the check of who may call what', () => {
  it('passes when every route declares a policy and has its guard', async () => {
    expect((await boot(Declared)).routes()).toEqual([
      expect.objectContaining({ controller: 'Declared', handler: 'inherited', policy: 'admin' }),
      expect.objectContaining({ controller: 'Declared', handler: 'own', policy: 'public' }),
    ]);
  });

  it('fails the boot for a route without a policy, by name', async () => {
    await expect(boot(Declared, Silent)).rejects.toThrow(/Silent\.read/);
  });

  it('fails the boot for a policy that no guard of the route enforces', async () => {
    await expect(boot(Unguarded)).rejects.toThrow(/Unguarded\.read.*key/);
  });
});
