/**
 * Decisions on baskets of several shards, as rows. A row exists from before the first line is prepared until every shard
 * has carried out the decision; an attempt without a row is aborted, or sold in every shard.
 *
 * @module
 */
import type {
  Attempt,
  BasketDecisions,
  Begun,
  CommittedBasket,
  PreparedPart,
  UndecidedBasket,
} from "../../decide/basket_decisions.ts";
import { attemptName } from "../../domain/basket.ts";
import type { LedgerBackend } from "./backend.ts";
import type { Statements } from "./statements.ts";

interface Row {
  readonly attempt: string;
  readonly userId: string;
  readonly lines: string;
  readonly decision: "open" | "commit";
  readonly parts: string | null;
  readonly decideByMs: number;
  readonly isOver: boolean;
}

/** An attempt that ended between two statements leaves room at once; more than a few in a row are no chance. */
const beginsMax = 3;

/** See {@link BasketDecisions}. */
export class SqlBaskets implements BasketDecisions {
  readonly #backend: Pick<LedgerBackend, "queries" | "deployment">;
  readonly #sql: Statements;

  constructor(backend: Pick<LedgerBackend, "queries" | "deployment">, sql: Statements) {
    this.#backend = backend;
    this.#sql = sql;
  }

  async begin(basket: Attempt, timeoutMs: number): Promise<Begun> {
    await this.#backend.deployment(); // of another deployment, its decisions are not ours
    const { orderId, attempt, home, userId, lines } = basket;
    const params = [orderId, attempt, home, userId, JSON.stringify(lines), timeoutMs];
    for (let i = 0; i < beginsMax; i++) {
      if (await this.#has(this.#sql.begin_basket, params)) return { kind: "begun" };
      const found = await this.find(orderId);
      if (found) return found;
    }
    throw new Error(`Cannot begin order '${orderId}' as other attempts of it begin and end all the time`);
  }

  async commit(
    { orderId, attempt, home }: Attempt,
    parts: readonly PreparedPart[],
  ): Promise<"committed" | "waiting" | "aborted"> {
    const params = [orderId, attempt, JSON.stringify(parts), attemptName(home, attempt)];
    if (await this.#has(this.#sql.commit_basket, params)) return "committed";
    const row = await this.#read(orderId);
    if (row?.attempt !== attempt) return "aborted";
    if (row.decision === "commit") return "committed";
    return row.isOver ? "aborted" : "waiting";
  }

  async abort({ orderId, attempt }: Attempt): Promise<"aborted" | "committed"> {
    if (await this.#has(this.#sql.drop_basket, [orderId, attempt])) return "aborted";
    const row = await this.#read(orderId);
    return row?.attempt === attempt ? "committed" : "aborted";
  }

  async find(orderId: string): Promise<UndecidedBasket | CommittedBasket | undefined> {
    const row = await this.#read(orderId);
    if (!row) return undefined;
    if (row.parts === null) return { kind: "undecided", decideByMs: row.decideByMs };
    return {
      kind: "committed",
      userId: row.userId,
      lines: JSON.parse(row.lines),
      parts: JSON.parse(row.parts),
    };
  }

  async #read(orderId: string): Promise<Row | undefined> {
    const [row] = await this.#backend.queries.query<Row>(this.#sql.read_basket, [orderId]);
    return row;
  }

  async #has(statement: string, params: readonly (string | number)[]): Promise<boolean> {
    return (await this.#backend.queries.query(statement, params)).length > 0;
  }
}
