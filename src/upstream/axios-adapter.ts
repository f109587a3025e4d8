import axios, { type AxiosAdapter, type AxiosInstance, type HeadersDefaults } from 'axios';
import type { Dispatcher } from 'undici';

const asItIs = [(data: unknown): unknown => data];

/**
 * An axios instance that does nothing of its own: undici carries the request, no default header is added, nothing is
 * parsed, redirected, decompressed or sent by a proxy. `timeout` is the time to the answer's head; `data` of the answer
 * is the open stream. A status is never an error here.
 */
export function createAxios(dispatcher: Dispatcher): AxiosInstance {
  const instance = axios.create({
    adapter: undiciAdapter(dispatcher),
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

function undiciAdapter(dispatcher: Dispatcher): AxiosAdapter {
  return async (config) => {
    const url = new URL(config.url ?? '');
    const headers: string[] = [];
    for (const [name, value] of Object.entries(config.headers.toJSON())) headers.push(name, String(value));
    const answer = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: (config.method ?? 'GET').toUpperCase() as Dispatcher.HttpMethod,
      headers,
      body: config.data,
      signal: config.signal,
      headersTimeout: config.timeout,
      bodyTimeout: 0,
    });
    return {
      status: answer.statusCode,
      statusText: '',
      headers: answer.headers as Record<string, string>,
      config,
      data: answer.body,
    };
  };
}
