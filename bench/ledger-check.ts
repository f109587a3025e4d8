/** Attempts in a ledger, by outcome, once there are `expected` of them or no more come. */
interface Ledger {
  ledger(expected: number): Promise<Record<string, number>>;
}

/** Every answer is booked as completed, and every client that hung up as one that left. @throws Error otherwise */
export async function checkLedger(
  relay: Ledger,
  { completed, left = 0 }: { readonly completed: number; readonly left?: number },
): Promise<void> {
  const { completed: whole = 0, 'client-left': hungUp = 0, ...others } = await relay.ledger(completed + left);
  if (whole !== completed || hungUp !== left || Object.keys(others).length > 0) {
    const found = JSON.stringify({ completed: whole, 'client-left': hungUp, ...others });
    throw new Error(`${completed} answers and ${left} clients that left, but the ledger has ${found}`);
  }
}
