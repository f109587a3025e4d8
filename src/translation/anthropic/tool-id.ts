/** `^[a-zA-Z0-9_-]+$`, as the API's own refusal says; other vendors allow more. */
export function claudeToolId(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}
