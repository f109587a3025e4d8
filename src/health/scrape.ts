import { Injectable } from '@nestjs/common';
import { Metrics } from '../telemetry/metrics.ts';

/** The text of `/metrics`: of this process, or, where several serve behind one port, of all of them. */
@Injectable()
export class Scrape {
  private read: () => Promise<string>;

  constructor(private readonly metrics: Metrics) {
    this.read = () => metrics.registry.metrics();
  }

  get contentType(): string {
    return this.metrics.registry.contentType;
  }

  readFrom(source: () => Promise<string>): void {
    this.read = source;
  }

  text(): Promise<string> {
    return this.read();
  }
}
