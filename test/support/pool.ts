import { randomUUID } from 'node:crypto';
import { type Asking, asking, send, type Way } from './asking.ts';
import { eventually } from './eventually.ts';
import type { Rehearsal } from './relay.ts';
import type { WireAnswer, WireRequest } from './wire-client.ts';

export interface PoolAccount {
  readonly id: string;
  readonly credential: string;
}

/** A row of the ledger, as Postgres sends it. */
export type Row = Readonly<Record<string, unknown>>;

/** Accounts of one kind, each with a credential of its own, and a key that reaches no others. */
export class Pool {
  private constructor(
    private readonly rehearsal: Rehearsal,
    readonly key: string,
    readonly keyId: string,
    readonly accounts: readonly PoolAccount[],
    private readonly way: Way,
  ) {}

  /** One account for each of `settings`, in this order. */
  static async of(
    rehearsal: Rehearsal,
    settings: readonly object[],
    { way = 'Claude SSE', key = {} }: { way?: Way; key?: object } = {},
  ): Promise<Pool> {
    const accounts: PoolAccount[] = [];
    for (const more of settings) {
      const gemini = way.startsWith('Gemini');
      const credential = `${gemini ? 'gemini' : 'sk-ant'}-sim-${randomUUID()}`;
      const wish = { credentials: { apiKey: credential }, ...more };
      const { id } = await (gemini ? rehearsal.geminiAccount(wish) : rehearsal.claudeAccount(wish));
      accounts.push({ id, credential });
    }
    const made = await rehearsal.key({ accounts: accounts.map(({ id }) => id), ...key });
    return new Pool(rehearsal, made.key, made.id, accounts, way);
  }

  /** The nth account, from 0. */
  at(index: number): PoolAccount {
    const account = this.accounts[index];
    if (account === undefined) throw new Error(`The pool has no account ${index}`);
    return account;
  }

  /** Makes this account's answers faulty, until the function is called that it answers. */
  plan(
    index: number,
    fault: Parameters<Rehearsal['simulator']['plan']>[0]['fault'],
    times?: number,
  ): () => void {
    const { credential } = this.at(index);
    return this.rehearsal.simulator.plan({ credential, fault, ...(times !== undefined && { times }) });
  }

  asking(text: string = randomUUID()): Asking {
    return asking(this.way, this.key, text);
  }

  /** One call of its own, with directives for the simulator. */
  async call(directives = '', more: WireRequest = {}, replica = 0): Promise<Called> {
    const one = this.asking(`${randomUUID()} [[sim: ${directives}]]`);
    return { answer: await send(this.rehearsal.replica(replica).url, one, more), one };
  }

  /** Requests that the simulator had for this account. */
  callsTo(index: number): number {
    const { credential } = this.at(index);
    return this.rehearsal.simulator.requests.filter((request) => request.credential === credential).length;
  }

  /** The ledger's rows of a call, one for each attempt, once there are so many. */
  rowsOf({ one }: Pick<Called, 'one'>, count = 1): Promise<readonly Row[]> {
    return eventually(async () => {
      const rows = await this.rehearsal.sql(
        'select * from ledger where client_request_id = $1 order by attempt',
        [one.clientRequestId],
      );
      expect(rows).toHaveLength(count);
      return rows;
    });
  }
}

export interface Called {
  readonly answer: WireAnswer;
  readonly one: Asking;
}
