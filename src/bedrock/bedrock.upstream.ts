import type { Call } from '../dialects/dialect.ts';
import type { Account } from '../upstream/account.ts';
import { probeModel } from '../upstream/probe-model.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { pathSegment, urlBelow } from '../upstream/url-below.ts';
import { anthropicAnswer } from './anthropic-answer.ts';
import { anthropicEnvelope } from './anthropic-envelope.ts';
import type { AwsIdentities } from './aws-identities.ts';
import { BEDROCK_NAMES, bedrockModel, isClaude, isOpaque, PROBE_MODEL } from './bedrock-models.ts';
import { checkBedrockCredentials, signBedrock } from './bedrock.credentials.ts';
import { judgeBedrock } from './bedrock.verdict.ts';

function originOf({ settings }: Pick<Account, 'settings'>): string {
  const region = settings['region'];
  if (region === undefined) throw new Error('A Bedrock account has no region');
  return `https://bedrock-runtime.${region}.amazonaws.com`;
}

function urlOf(account: Account, model: string, operation: string): URL {
  return urlBelow(account.baseUrl ?? originOf(account), `/model/${pathSegment(model)}/${operation}`);
}

/** The runtime's operation for a call (AWS Bedrock API reference, "Amazon Bedrock Runtime"). */
function operationOf({ dialect, operation, framing }: Call): string {
  if (operation === 'count') return 'count-tokens';
  if (operation !== 'generate') throw new Error(`Bedrock accounts have no ${operation}`);
  if (dialect === 'bedrock-converse') return framing === 'json' ? 'converse' : 'converse-stream';
  return framing === 'json' ? 'invoke' : 'invoke-with-response-stream';
}

/** Amazon Bedrock's runtime: Claude in three ways, everything else by Converse. */
export function bedrockUpstream(identities: AwsIdentities): Upstream {
  return {
    kind: 'bedrock',
    // What stands behind an ARN may be Claude; whoever asks it by InvokeModel knows.
    speaks(model, upstreamModel) {
      if (isClaude(isOpaque(upstreamModel) ? model : upstreamModel)) {
        return ['anthropic', 'bedrock-invoke', 'bedrock-converse'];
      }
      return isOpaque(upstreamModel) ? ['bedrock-converse', 'bedrock-invoke'] : ['bedrock-converse'];
    },
    defaultBaseUrl: originOf,
    defaultModels: BEDROCK_NAMES,
    modelName: bedrockModel,
    plainCredentials: ['region'],
    // What is aborted is billed in full all the same.
    onClientLeave: 'drain',
    checkCredentials: checkBedrockCredentials,
    sign: (request, credentials) => signBedrock(request, credentials, identities),

    address: (call, account, model) => urlOf(account, model, operationOf(call)),
    envelope: (call, _account, model) =>
      call.dialect === 'anthropic' ? anthropicEnvelope(call, model) : undefined,
    decode: (call, answer) => (call.dialect === 'anthropic' ? anthropicAnswer(call, answer) : answer),
    judge: (answer) => judgeBedrock(answer, Date.now()),

    // The list is another host's, which an account at an address of its own need not have.
    models: { names: BEDROCK_NAMES },

    probe(account) {
      const wished = probeModel(account, PROBE_MODEL);
      const body = {
        messages: [{ role: 'user', content: [{ text: '.' }] }],
        inferenceConfig: { maxTokens: 1 },
      };
      return {
        method: 'POST',
        url: urlOf(account, bedrockModel(wished, account) ?? wished, 'converse'),
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
      };
    },
  };
}
