/**
 * Adds settings to what a connection URL asks the server for at connect (`options=-c name=value`), behind those that
 * the operator wrote there: ours win. In the URL, because node-postgres lets a URL's `options` replace a pool's.
 */
export function withSessionSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const { application_name: name, ...rest } = settings;
  const parsed = new URL(url);
  const asked = parsed.searchParams.get('options');
  const ours = Object.entries(rest).map(
    ([setting, value]) => `-c ${setting}=${value.replace(/[\\ ]/g, '\\$&')}`,
  );
  parsed.searchParams.set('options', [...(asked === null ? [] : [asked]), ...ours].join(' '));
  if (name !== undefined) parsed.searchParams.set('application_name', name);
  return parsed.href;
}
