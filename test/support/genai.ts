import { getGlobalDispatcher } from 'undici';

/**
 * @google/genai looks for fetch's dispatcher on the global object. Jest's sandbox has a global of its own, where
 * Node's fetch never puts it; importing undici does. Import this beside the SDK, and close it after the tests.
 */
export async function closeLentDispatcher(): Promise<void> {
  await getGlobalDispatcher().close();
}
