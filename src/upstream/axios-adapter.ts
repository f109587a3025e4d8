import axios, { type AxiosInstance, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import type { Dispatcher } from 'undici';

/**
 * An axios instance whose `request` is undici alone, by the dispatcher that the config names: no default header is
 * added, nothing is parsed, redirected or decompressed, and no environment variable sends it by a proxy. `data` of the
 * answer is the open stream, and a status is never an error.
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
  const answer = await dispatcher.request({
    origin: config.baseURL ?? '',
    path: config.url ?? '/',
    method: config.method ?? 'GET',
    headers: config.headers as Record<string, string>,
    // Undici also takes an iterable of buffers, which its types leave out.
    body: config.data as Dispatcher.DispatchOptions['body'],
    signal: config.signal,
  });
  return {
    status: answer.statusCode,
    statusText: '',
    headers: answer.headers as Record<string, string>,
    config: config as AxiosResponse['config'],
    data: answer.body as Body,
  };
}
