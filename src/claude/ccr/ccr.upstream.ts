import { matchesAny } from '../../dialects/model-pattern.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { claudeConsole } from '../console/console.upstream.ts';

const PREFIX = 'ccr,';

/**
 * Claude Code Router and its like: as a console, and reached by the name `ccr,MODEL` as well, where MODEL is what the
 * router is asked for, its own `provider,model` among them.
 */
export const ccr: Upstream = {
  ...claudeConsole,
  kind: 'ccr',
  modelName(model) {
    if (model.startsWith(PREFIX)) return model.slice(PREFIX.length) || undefined;
    return matchesAny(claudeConsole.defaultModels, model) ? model : undefined;
  },
};
