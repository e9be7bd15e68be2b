/**
 * A shard's baskets of several shards, on the connection that has the shard's lease.
 *
 * @module
 */
import type { Queries } from "../database.ts";
import type { AtHome, HomeAsked, PreparedOrder, ShardBaskets } from "../shard_baskets.ts";
import type { Statements } from "./statements.ts";

/** See {@link ShardBaskets}. */
export class SqlShardBaskets implements ShardBaskets {
  readonly #shard: number;
  readonly #sql: Statements;
  readonly #query: Queries["query"];

  constructor(shard: number, sql: Statements, query: Queries["query"]) {
    this.#shard = shard;
    this.#sql = sql;
    this.#query = query;
  }

  prepared(limit: number): Promise<PreparedOrder[]> {
    return this.#query<PreparedOrder>(this.#sql.find_prepared, [this.#shard, limit]);
  }

  async abort({ orderId, attempt }: PreparedOrder): Promise<boolean> {
    return (await this.#query(this.#sql.drop_basket, [orderId, attempt])).length > 0;
  }

  atHome(attempts: readonly HomeAsked[]): Promise<AtHome[]> {
    return this.#query<AtHome>(this.#sql.find_at_home, [JSON.stringify(attempts)]);
  }

  async end(): Promise<number> {
    const [row] = await this.#query<{ left: number }>(this.#sql.end_baskets, [this.#shard]);
    return row?.left ?? 0;
  }
}
