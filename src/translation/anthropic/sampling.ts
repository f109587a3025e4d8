import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { Given, NeutralRequest } from '../neutral.ts';
import { samplingOf } from './models.ts';

type Asked = Pick<NeutralRequest, 'model' | 'temperature' | 'topP' | 'topK'>;

/** "`top_p` … between 0.95 and 1", the only sampling that goes with thinking. */
const LEAST_TOP_P_OF_THOUGHT = 0.95;

/**
 * `temperature`, `top_p` and `top_k`. Claude refuses them beside thinking ("`temperature` may only be set to 1 when
 * thinking is enabled or in adaptive mode", "`top_k` must be unset when thinking is enabled"; platform.claude.com,
 * "Extended thinking"), and its later models always. Clients of other vendors send them with every call, whatever the
 * model, so one that it cannot have is left out and told; a value that is the default anyway asks for nothing.
 * @param thinks the call asks for thinking
 * @throws CallError naming a temperature that no Claude has
 */
export function samplingFields(request: Asked, thinks: boolean, edits: Set<string>): object {
  const sampling = samplingOf(request.model);
  const free = sampling !== 'none' && !thinks;
  const taken = sampling === 'any' ? request : settled(request, sampling !== 'all', free, edits);
  const { temperature, topP, topK } = taken;
  if (sampling !== 'any' && temperature !== undefined && temperature.value > 1) {
    throw cannot(temperature.at, 'must be at most 1 at the account that serves this model');
  }
  return {
    ...(temperature && { temperature: temperature.value }),
    ...(topP && { top_p: topP.value }),
    ...(topK && { top_k: topK.value }),
  };
}

/** What is left of the settings. `alone`: not temperature and top_p both. `free`: the model samples as it is told. */
function settled(request: Asked, alone: boolean, free: boolean, edits: Set<string>): Omit<Asked, 'model'> {
  const unless = (takes: boolean, given: Given<number> | undefined, usual?: number): typeof given => {
    if (given === undefined || takes) return given;
    if (given.value !== usual) edits.add(leftOut(given.at));
    return undefined;
  };
  const narrow = samplingOf(request.model) !== 'none' && (request.topP?.value ?? 0) >= LEAST_TOP_P_OF_THOUGHT;
  const temperature = unless(free, request.temperature, 1);
  const topP = unless(free || narrow, request.topP, 1);
  const topK = unless(free, request.topK);
  if (!alone || temperature === undefined || topP === undefined) return { temperature, topP, topK };
  return temperature.value === 1 ? { topP, topK } : { temperature, topP: unless(false, topP, 1), topK };
}
