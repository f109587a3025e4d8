import { SetMetadata } from '@nestjs/common';

/**
 * Who may call a route. Every route declares one; boot fails on a route without (see `access.check.ts`):
 * - `public`: anybody, says nothing secret
 * - `key`: an API key of ours, checked by `KeyGuard`
 * - `admin`: an administrator's token, checked by `AdminGuard`
 * - `metrics`: the metrics token, checked by `MetricsGuard`
 */
export type RoutePolicy = 'public' | 'key' | 'admin' | 'metrics';

export const ROUTE_POLICY = Symbol('RoutePolicy');

export const Policy = (policy: RoutePolicy) => SetMetadata(ROUTE_POLICY, policy);

export const ENFORCED_POLICY = Symbol('EnforcedPolicy');

/** On a guard: the policy that it enforces. A route of that policy without such a guard fails the boot. */
export const Enforces = (policy: Exclude<RoutePolicy, 'public'>) => SetMetadata(ENFORCED_POLICY, policy);
