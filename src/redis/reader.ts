/**
 * Reads shards in Redis for a comparison.
 *
 * @module
 */
import { allShardKeys, type KeySpace } from "./keys.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { integer, list, text } from "./reply.ts";
import { readScript } from "./script.ts";
import { StoreError } from "../domain/errors.ts";
import type { Facet, FacetValue, ShardReader } from "../decide/shard_reader.ts";
import { decodeLine } from "./wire_lines.ts";

/** Positions in KEYS from 1, as `lua/recall.lua` takes them. */
const keysOf: Readonly<Record<Facet, readonly number[]>> = {
  stock: [2],
  orders: [3, 4],
  quotas: [7],
  holds: [8],
};

/** See {@link ShardReader}. */
export class RedisReader implements ShardReader {
  readonly #connections: ShardConnections;
  readonly #keys: string[][];
  readonly #script = readScript("recall");
  /** Shards whose server has the script. */
  readonly #loaded = new Set<number>();

  constructor(connections: ShardConnections, keySpace: KeySpace) {
    this.#connections = connections;
    this.#keys = allShardKeys(keySpace);
  }

  /** One `HSCAN` or `ZSCAN` in a script, so that values stay on the server. */
  async names(
    shard: number,
    facet: Facet,
    cursor: string,
  ): Promise<{ names: string[]; next: string | null }> {
    const indexes = keysOf[facet];
    const [key = String(indexes[0]), at = "0"] = cursor === "" ? [] : cursor.split(":");
    const [next, names] = list(JSON.parse(await this.#run(shard, "names", key, at)));
    const following = indexes[indexes.indexOf(Number(key)) + 1];
    const after = text(next) === "0" ? (following ? `${following}:0` : null) : `${key}:${text(next)}`;
    return { names: list(names).map(text), next: after };
  }

  /** One call. */
  async read<F extends Facet>(
    shard: number,
    facet: F,
    names: readonly string[],
  ): Promise<{ head: number; values: FacetValue[F][] }> {
    if (names.length === 0) return { head: 0, values: [] };
    const [head, values] = list(JSON.parse(await this.#run(shard, facet, ...names)));
    const decode = (value: unknown) => {
      if (value === null) return null;
      return facet === "orders" ? list(value).map(decodeLine) : text(value);
    };
    return { head: integer(head), values: list(values).map(decode) as FacetValue[F][] };
  }

  async #run(shard: number, ...args: string[]): Promise<string> {
    const keys = this.#keys[shard] ?? [];
    const call = async () =>
      text(await this.#connections.call(shard, "EVALSHA", this.#script.sha, keys.length, ...keys, ...args));
    if (this.#loaded.has(shard)) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof StoreError && error.code === "NOSCRIPT")) throw error; // restarted, or another server
      }
    }
    await this.#connections.call(shard, "SCRIPT", "LOAD", this.#script.source);
    this.#loaded.add(shard);
    return await call();
  }
}
