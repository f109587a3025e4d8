import { createHash } from 'node:crypto';

/** Of tools and of their calls (AWS Bedrock API reference: ToolUseBlock, "Length Constraints", "Pattern"). */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export function isName(name: string): boolean {
  return NAME.test(name);
}

/** Another vendor's id of a call may be longer, or of other signs: call and result are given the same one for it. */
export function callId(id: string): string {
  return isName(id) ? id : `call_${createHash('sha256').update(id).digest('hex').slice(0, 40)}`;
}
