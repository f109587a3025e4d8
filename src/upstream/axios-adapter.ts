import axios, {
  type AxiosAdapter,
  type AxiosInstance,
  type AxiosRequestConfig,
  type HeadersDefaults,
} from 'axios';
import type { Dispatcher } from 'undici';

const asItIs = [(data: unknown): unknown => data];

/**
 * An axios instance that does nothing of its own: undici carries the request by the dispatcher that it names, no default
 * header is added, nothing is parsed, redirected or decompressed, and no environment variable sends it by a proxy.
 * `data` of the answer is the open stream, and a status is never an error.
 */
export function createAxios(): AxiosInstance {
  const instance = axios.create({
    adapter: undiciAdapter,
    responseType: 'stream',
    transformRequest: asItIs,
    transformResponse: asItIs,
    validateStatus: () => true,
    maxRedirects: 0,
    proxy: false,
    decompress: false,
  });
  const none: HeadersDefaults = { common: {}, delete: {}, get: {}, head: {}, post: {}, put: {}, patch: {} };
  Object.assign(instance.defaults, { headers: none });
  return instance;
}

/** The way out of one request, as its config holds it. */
export function by(dispatcher: Dispatcher): Pick<AxiosRequestConfig, 'httpAgent'> {
  return { httpAgent: dispatcher };
}

const undiciAdapter: AxiosAdapter = async (config) => {
  // None is chosen here: a request that names no way out does not go out.
  const dispatcher = config.httpAgent as Dispatcher;
  const url = new URL(config.url ?? '');
  const headers: string[] = [];
  for (const [name, value] of Object.entries(config.headers.toJSON())) headers.push(name, String(value));
  const answer = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: (config.method ?? 'GET').toUpperCase(),
    headers,
    // Undici also takes an iterable of buffers, which its types leave out.
    body: config.data as Dispatcher.DispatchOptions['body'],
    signal: config.signal,
  });
  return {
    status: answer.statusCode,
    statusText: '',
    headers: answer.headers as Record<string, string>,
    config,
    data: answer.body,
  };
};
