/** What a relay's metrics say of its statements of admission, the only ones that a call waits for before its upstream is asked. */
export interface Admissions {
  readonly statements: number;
  readonly calls: number;
}

export async function readAdmissions(port: number, metricsToken: string): Promise<Admissions> {
  const headers = { authorization: `Bearer ${metricsToken}` };
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
  if (!answer.ok) throw new Error(`/metrics: ${answer.status} ${await answer.text()}`);
  const text = await answer.text();
  const told = (series: string): number =>
    Number(
      new RegExp(`^relay_batch_size_${series}\\{statement="admit"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0,
    );
  return { statements: told('count'), calls: told('sum') };
}

/** Statements for each call that was admitted meanwhile. */
export function statementsPerCall(before: Admissions, after: Admissions): number {
  return (after.statements - before.statements) / (after.calls - before.calls);
}
