import { Injectable } from '@nestjs/common';
import { Registry } from 'prom-client';

/** Every metric of the product, in one place. Labels hold no key, e-mail or free text. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
}
