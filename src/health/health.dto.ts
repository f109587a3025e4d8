import { ApiProperty } from '@nestjs/swagger';

export class HealthDto {
  /** `ok` for liveness; one of the others for readiness. */
  @ApiProperty({ enum: ['ok', 'ready', 'degraded', 'draining', 'unavailable'] })
  status!: string;
}
