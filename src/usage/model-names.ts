/** The price of any kind of account; a price of the kind itself goes before it. */
export const ANY_KIND = '*';

/**
 * A release of a model, in the vendors' ways of writing it: a date (`claude-sonnet-4-5-20250929`), a date after `@`
 * (Claude on Vertex), the newest (`-latest`), a stable version (`gemini-2.0-flash-001`); see
 * platform.claude.com/docs/en/about-claude/models/overview and ai.google.dev/gemini-api/docs/models.
 */
const RELEASE = /(?:[-@]20\d{6}|@default|-latest|-0\d\d)$/;
/** A dated preview (`gemini-2.5-flash-lite-preview-06-17`) is a release of the preview, not of the model. */
const PREVIEW_RELEASE = /-preview-\d\d-(?:\d\d|20\d\d)$/;

/** OpenAI dates its releases with hyphens (`gpt-4o-2024-08-06`; platform.openai.com/docs/models). */
const DAY_RELEASE = /-20\d\d-\d\d-\d\d$/;
/** Bedrock's ids: a profile's geography, the vendor, the model, its version (AWS Bedrock user guide, "Supported models"). */
const BEDROCK_ID = /^(?:arn:aws[^/]*\/)?(?:([a-z]{2,6}(?:-[a-z]{3})?)\.)?([a-z0-9]+\.[a-z].*)$/;
const BEDROCK_VERSION = /-v\d+(?::\d+k?)*$|:\d+k?$/;

/**
 * The names under which a model's price is looked for, exact first. There are no patterns: a model that nobody has
 * priced is unpriced, and is not given the price of one whose name begins alike.
 */
export function priceNames(model: string): readonly string[] {
  const [, profile, id] = BEDROCK_ID.exec(model) ?? [];
  if (id === undefined) return [...new Set([model, withoutRelease(model)])];
  const bare = withoutRelease(id.replace(BEDROCK_VERSION, ''));
  // A profile may have a price of its own, as the global ones do.
  const own = profile === undefined ? [] : [`${profile}.${bare}`];
  return [...new Set([model, ...own, bare])];
}

function withoutRelease(model: string): string {
  return PREVIEW_RELEASE.test(model)
    ? model.replace(PREVIEW_RELEASE, '-preview')
    : model.replace(RELEASE, '').replace(DAY_RELEASE, '');
}

/** As the dialects take them; nothing that Postgres or a log would stumble over. */
export const MODEL_NAME = /^[A-Za-z0-9._:@,/-]{1,256}$/;
export const MODEL_NAME_PROBLEM = 'must be a model name: 1 to 256 of letters, digits and . _ : @ , / -';
