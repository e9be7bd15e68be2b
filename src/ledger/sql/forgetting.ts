/**
 * Pseudonyms in place of a user, in the rows of a SQL database.
 *
 * @module
 */
import type { Forgetting, ForgettingNote, ForgottenRows, ForgottenUser } from "../forgetting.ts";
import { escaped } from "../movements.ts";
import type { LedgerBackend } from "./backend.ts";
import type { Statements } from "./statements.ts";

/** Numbers of one transaction: 0.1 s. */
const pageNumbers = 50_000;

interface Page extends Omit<ForgottenRows, "newestMs"> {
  readonly newestMs: number | null;
}

/** See {@link Forgetting}. */
export class SqlForgetting implements Forgetting {
  readonly #backend: Pick<LedgerBackend, "queries" | "connect">;
  readonly #sql: Statements;

  constructor(backend: Pick<LedgerBackend, "queries" | "connect">, sql: Statements) {
    this.#backend = backend;
    this.#sql = sql;
  }

  async inShard(
    shard: number,
    { userId, pseudonym, beforeMs }: ForgottenUser,
    onProgress: (seq: number) => void,
  ): Promise<ForgottenRows> {
    const [cursor] = await this.#backend.queries.query<{ seq: number }>(this.#sql.read_cursor, [shard]);
    const last = cursor?.seq ?? 0;
    let sum: ForgottenRows = { lines: 0, movements: 0, left: 0, newestMs: 0 };
    const connection = await this.#backend.connect();
    try {
      for (let after = 0; after < last; after += pageNumbers) {
        const to = Math.min(last, after + pageNumbers);
        const params = [shard, after, to, userId, pseudonym, beforeMs];
        const [page] = await connection.transaction((tx) => tx.query<Page>(this.#sql.forget_user, params));
        if (page) sum = added(sum, page);
        onProgress(to);
      }
      return sum;
    } finally {
      await connection.close();
    }
  }

  async finish(
    { userId, pseudonym }: Pick<ForgottenUser, "userId" | "pseudonym">,
    { actor, reason, movements, lines }: ForgettingNote,
  ): Promise<{ deadLetters: number; baskets: number }> {
    const { forget_dead_letters, note_forgotten, count_baskets_of } = this.#sql;
    // An event that the database refused as it came is stored in ASCII.
    const asJson = JSON.stringify(userId);
    const forms = new Set([asJson, escaped(asJson)]);
    const connection = await this.#backend.connect();
    try {
      return await connection.transaction(async (tx) => {
        let deadLetters = 0;
        for (const form of forms) {
          const params = [form, JSON.stringify(pseudonym)];
          const [changed] = await tx.query<{ deadLetters: number }>(forget_dead_letters, params);
          deadLetters += changed?.deadLetters ?? 0;
        }
        if (movements + lines + deadLetters > 0) {
          await tx.query(note_forgotten, [pseudonym, actor, reason, movements, lines, deadLetters]);
        }
        const [kept] = await tx.query<{ baskets: number }>(count_baskets_of, [userId]);
        return { deadLetters, baskets: kept?.baskets ?? 0 };
      });
    } finally {
      await connection.close();
    }
  }
}

function added(sum: ForgottenRows, page: Page): ForgottenRows {
  return {
    lines: sum.lines + page.lines,
    movements: sum.movements + page.movements,
    left: sum.left + page.left,
    newestMs: Math.max(sum.newestMs, page.newestMs ?? 0),
  };
}
