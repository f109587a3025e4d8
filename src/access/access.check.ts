import { Injectable, type OnModuleInit, RequestMethod } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ENFORCED_POLICY, ROUTE_POLICY, type RoutePolicy } from './route-policy.ts';

export interface DeclaredRoute {
  readonly controller: string;
  readonly handler: string;
  readonly policy: RoutePolicy;
  /** `GET`, `POST` …; `ALL` = every method. */
  readonly method: string;
  /** As the router has them, each with its leading slash: `/admin/v1/keys/:id`. */
  readonly paths: readonly string[];
}

type Target = object;

/** Default-deny: the process does not start with a route that does not say who may call it, or whose guard is missing. */
@Injectable()
export class AccessCheck implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    this.routes();
  }

  /** Every route of every controller. @throws Error naming those without a policy, or without its guard */
  routes(): readonly DeclaredRoute[] {
    const problems: string[] = [];
    const routes: DeclaredRoute[] = [];
    for (const { instance, metatype } of this.discovery.getControllers()) {
      if (typeof instance !== 'object' || instance === null || metatype === null) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, Target>;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name];
        if (handler === undefined || !Reflect.hasMetadata('path', handler)) continue;
        const policy = policyOf(handler) ?? policyOf(metatype);
        const problem = problemOf(policy, [...guardsOf(handler), ...guardsOf(metatype)]);
        if (problem !== undefined) problems.push(`${metatype.name}.${name} ${problem}`);
        else {
          routes.push({
            controller: metatype.name,
            handler: name,
            policy: policy as RoutePolicy,
            method: RequestMethod[Reflect.getMetadata('method', handler) as RequestMethod],
            paths: pathsOf(metatype).flatMap((base) => pathsOf(handler).map((path) => joined(base, path))),
          });
        }
      }
    }
    if (problems.length === 0) return routes;
    throw new Error(`Routes that do not say who may call them:\n  ${problems.join('\n  ')}`);
  }
}

function policyOf(target: Target): RoutePolicy | undefined {
  return Reflect.getMetadata(ROUTE_POLICY, target) as RoutePolicy | undefined;
}

/** Nest keeps the classes given to `@UseGuards` under this name. */
function guardsOf(target: Target): readonly Target[] {
  return (Reflect.getMetadata('__guards__', target) ?? []) as readonly Target[];
}

/** Of a controller, or of a handler below it. */
function pathsOf(target: Target): readonly string[] {
  return [Reflect.getMetadata('path', target) as string | string[]].flat();
}

function joined(base: string, path: string): string {
  return `/${[base, path]
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/')}`;
}

function problemOf(policy: RoutePolicy | undefined, guards: readonly Target[]): string | undefined {
  if (policy === undefined) return 'declares no policy';
  if (policy === 'public') return undefined;
  const enforced = guards.some((guard) => Reflect.getMetadata(ENFORCED_POLICY, guard) === policy);
  return enforced ? undefined : `is '${policy}' but has no guard for it`;
}
