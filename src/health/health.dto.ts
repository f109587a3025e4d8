export class HealthDto {
  /** `ok` for liveness; `ready`, `draining` or `unavailable` for readiness. */
  readonly status!: string;
}
