/**
 * Decides in Redis: one script call a batch.
 *
 * @module
 */
import { type BatchResult, type DecisionLimits, type StockStore, StoreError, type Timed } from "../store.ts";
import { allShardKeys, type RedisPlace } from "../../redis/keys.ts";
import type { Links } from "../../redis/links.ts";
import { list, text } from "../../redis/reply.ts";
import { readScript } from "../../redis/script.ts";
import { type BatchReply, decodeBatch, encodeBatch } from "./wire.ts";

/** Where a deployment's keys are, and whose they must be. */
export interface CallerPlace extends RedisPlace {
  /** The deployment whose ledger the caller knows; empty when it knows none. */
  readonly deployment: string;
}

/** The API's side of Redis. It can only run what the worker has loaded: `EVALSHA`, never `EVAL`. */
export class RedisStore implements StockStore {
  readonly #links: Links;
  readonly #keys: string[][];
  readonly #script = readScript("inventory");
  /** What every call says of limits and caller: `ARGV[3]` to `ARGV[7]`. */
  #terms: readonly (number | string)[];
  /** Epoch of each shard as this process last heard it; 0 = not yet. */
  readonly #epochs: number[];

  /** Reads its script from `lua/` and sends nothing yet. {@link close} closes `links`. */
  constructor(links: Links, place: CallerPlace, limits: DecisionLimits) {
    this.#links = links;
    this.#keys = allShardKeys(place);
    this.#epochs = new Array(place.shards).fill(0);
    const { userLimitMs, idempotencyWindowMs, backlogMax } = limits;
    this.#terms = [userLimitMs, idempotencyWindowMs, backlogMax, place.shards, place.deployment];
  }

  /** From now on only a shard of this deployment decides: for a caller that learned late whose ledger it has. */
  belongsTo(deployment: string): void {
    this.#terms = [...this.#terms.slice(0, -1), deployment];
  }

  /**
   * Decides a batch in one `EVALSHA`, in two when the shard's epoch was news. A server that lacks the script
   * counts as unarmed, at time 0.
   *
   * @throws {StoreError} also `foreign`, `stale_server` and `stale_epoch`, which have no effect
   */
  async decide(shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    const commands = encodeBatch(batch);
    // Twice at most: the epoch can be news once; if it is again, the shard is being armed over and over.
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await this.#run(shard, commands);
      if (reply === "not_loaded") return { kind: "unarmed", timeMs: 0 };
      switch (reply.kind) {
        case "decided":
        case "unarmed":
          return reply;
        case "stale_epoch":
          this.#epochs[shard] = reply.epoch;
          continue;
        case "foreign":
          throw new StoreError(
            "foreign",
            "none",
            `Cannot use shard ${shard} as it is armed for ${reply.what}`,
          );
        case "stale_server":
          throw new StoreError(
            "stale_server",
            "none",
            `Cannot use shard ${shard} as its server is behind: epoch ${reply.epoch} there, ` +
              `${this.#epochs[shard]} seen before`,
          );
      }
    }
    throw new StoreError("stale_epoch", "none", `Cannot use shard ${shard} as its epoch keeps changing`);
  }

  /** One `HGET`: nothing that an order waits for. */
  async promisesOff(shard: number): Promise<readonly string[]> {
    const [meta = ""] = this.#shardKeys(shard);
    const noted = await this.#links.call(shard, "HGET", meta, "promises_off");
    return noted === null ? [] : list(JSON.parse(text(noted))).map(text);
  }

  /** Closes the connections; calls on their way reject with an unknown effect. */
  close(): Promise<void> {
    return this.#links.close();
  }

  async #run(shard: number, commands: string): Promise<BatchReply | "not_loaded"> {
    const keys = this.#shardKeys(shard);
    const args = [...keys, commands, this.#epochs[shard] ?? 0, ...this.#terms];
    try {
      const reply = await this.#links.call(shard, "EVALSHA", this.#script.sha, keys.length, ...args);
      return decodeBatch(reply);
    } catch (error) {
      // The worker loads the script when it arms, so a server without it has not been armed by this version.
      if (error instanceof StoreError && error.code === "NOSCRIPT") return "not_loaded";
      throw error;
    }
  }

  #shardKeys(shard: number): string[] {
    const keys = this.#keys[shard];
    if (!keys) throw new RangeError(`Cannot use shard ${shard} as there are ${this.#keys.length}`);
    return keys;
  }
}
