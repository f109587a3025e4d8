import axios, { type AxiosAdapter, type AxiosInstance, type HeadersDefaults } from 'axios';
import type { Dispatcher } from 'undici';

const asItIs = [(data: unknown): unknown => data];

/**
 * An axios instance that does nothing of its own: undici carries the request, no default header is added, nothing is
 * parsed, redirected, decompressed or sent by a proxy. `data` of the answer is the open stream, and a status is never
 * an error.
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
}
