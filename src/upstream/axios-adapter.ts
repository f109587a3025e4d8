import axios, { type AxiosInstance, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import type { Dispatcher } from 'undici';
import { Reception, type ReceptionOptions } from './reception.ts';

/**
 * An axios instance whose `request` is undici alone, by the dispatcher that the config names: no default header is
 * added, nothing is parsed, redirected or decompressed, and no environment variable sends it by a proxy. `data` of the
 * answer is its open {@link Reception}, and a status is never an error. `signal` and `timeout` are to be there: the one
 * ends the answer, too; the other is the time to the answer's head.
 *
 * What axios does around an adapter (copies of the config, a class for headers, interceptors, transforms) cost as much
 * as undici itself and had nothing to do here. The other methods of the instance stay axios' own and are not used.
 */
export function createAxios(): AxiosInstance {
  return Object.assign(axios.create(), { request: send });
}

/** Nothing is cancelled by a token, but HttpService makes one for each config that has none. */
const NO_TOKEN = new axios.CancelToken(() => undefined);

/** The way out of one request, as its config holds it. */
export function by(dispatcher: Dispatcher): Pick<AxiosRequestConfig, 'httpAgent' | 'cancelToken'> {
  return { httpAgent: dispatcher, cancelToken: NO_TOKEN };
}

async function send<Body>(config: AxiosRequestConfig): Promise<AxiosResponse<Body>> {
  // None is chosen here: a request that names no way out does not go out.
  const dispatcher = config.httpAgent as Dispatcher;
  const signal = config.signal as ReceptionOptions['signal'];
  const reception = new Reception({ signal, headersMs: config.timeout ?? 0 });
  const request = {
    origin: config.baseURL ?? '',
    path: config.url ?? '/',
    method: config.method ?? 'GET',
    headers: config.headers as Record<string, string>,
    // Undici also takes an iterable of buffers, which its types leave out.
    body: config.data as Dispatcher.DispatchOptions['body'],
  };
  try {
    dispatcher.dispatch(request, reception);
  } catch (error) {
    reception.destroy(error as Error);
  }
  const { status, headers } = await reception.head;
  return {
    status,
    statusText: '',
    headers: headers as Record<string, string>,
    config: config as AxiosResponse['config'],
    data: reception as Body,
  };
}
