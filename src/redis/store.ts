/**
 * Decides in Redis: one script call a batch.
 *
 * @module
 */
import { type DecisionLimits, describeDifferences, packLimits, unpackLimits } from "../domain/limits.ts";
import { StoreError } from "../domain/errors.ts";
import { type BatchResult, type StockStore, type Timed } from "../decide/store.ts";
import { allShardKeys, type KeySpace } from "./keys.ts";
import { acknowledged, noFollowers, type Replicas } from "./replicas.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import { readScript } from "./script.ts";
import { ownerUnknown, whyUnarmed } from "./unarmed.ts";
import { type BatchReply, decodeBatch, encodeBatch } from "./wire.ts";

/** Where a deployment's keys are, and whose they must be. */
export interface CallerPlace extends KeySpace {
  /**
   * The deployment whose ledger the caller has; empty when it has none; null when it has one and does not know whose:
   * then nothing is decided until {@link RedisStore.belongsTo} is called.
   */
  readonly deployment: string | null;
}

/** The caller's own settings. The limits among them decide nothing: those in the store do. */
export interface RedisLimits extends DecisionLimits {
  /** How long an answer waits for the replicas, ms: well below REQUEST_TIMEOUT_MS, or nobody hears it. */
  readonly replicaTimeoutMs: number;
  /** Told when the limits in the store are not the caller's, once for each. */
  readonly onDifferent?: (message: string) => void;
  /** Told why a shard does not sell, each time the reason is another one. */
  readonly onUnarmed?: (shard: number, reason: string) => void;
}

/**
 * Whose replicas they are counts: after a failover a `WAIT` for the old master's replicas blocks the connection
 * for its whole time limit, also behind a reply `unarmed`.
 */
interface HeardFollowers {
  readonly url: string;
  readonly replicas: Replicas;
}

/** Differences that are reported in the life of a process. */
const reportsMax = 100;

/** The API's side of Redis. It can only run what the worker has loaded: `EVALSHA`, never `EVAL`. */
export class RedisStore implements StockStore {
  readonly #connections: ShardConnections;
  readonly #keys: string[][];
  readonly #script = readScript("decide");
  /** What every call says of limits and caller: `ARGV[3]` to `ARGV[5]`. */
  #terms: readonly (number | string)[];
  #isKnown: boolean;
  /** Epoch of each shard as this process last heard it; 0 = not yet. */
  readonly #epochs: number[];
  /** Which replicas each shard's answers wait for, as its server said with its last decision. */
  readonly #replicas: (HeardFollowers | undefined)[];
  readonly #limits: RedisLimits;
  /** Why each shard did not decide when it was last asked. */
  readonly #unarmedReasons: (string | undefined)[] = [];
  /** Limits in the store that are not the caller's and were reported, as the script spells them. */
  readonly #reported = new Set<string>();

  /** Reads its script from `lua/` and sends nothing yet. {@link close} closes `links`. */
  constructor(connections: ShardConnections, keySpace: CallerPlace, limits: RedisLimits) {
    this.#connections = connections;
    this.#keys = allShardKeys(keySpace);
    this.#epochs = new Array(keySpace.shards).fill(0);
    this.#replicas = new Array(keySpace.shards).fill(undefined);
    this.#isKnown = keySpace.deployment !== null;
    this.#limits = limits;
    this.#terms = [packLimits(limits), keySpace.shards, keySpace.deployment ?? ""];
  }

  /** From now on only a shard of this deployment decides: for a caller that learned late whose ledger it has. */
  belongsTo(deployment: string): void {
    this.#isKnown = true;
    this.#terms = [...this.#terms.slice(0, -1), deployment];
  }

  /**
   * Decides a batch in one `EVALSHA`, in two when the shard's epoch was news, and waits until the replicas
   * have what its answers rest on. A server that lacks the script counts as unarmed, at time 0.
   *
   * @throws {StoreError} also `foreign`, `no_rights`, `stale_server` and `stale_epoch`, which have no effect, and
   *   `not_replicated`, whose effect is unknown: what was decided is in the log, which a failover may lose
   */
  async decide(shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    // What Redis holds may be anybody's.
    if (!this.#isKnown) return this.#unarmed(shard, 0, ownerUnknown);
    const commands = encodeBatch(batch);
    const isWaiting = batch.length > 0; // nothing rests on a probe
    const isLoaded = true;
    // Twice at most: the epoch can be news once; if it is again, the shard is being armed over and over.
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await this.#run(shard, commands, isWaiting);
      if (reply === "not_loaded") return this.#unarmed(shard, 0, await this.#whyUnarmed(shard, !isLoaded));
      switch (reply.kind) {
        case "decided":
          this.#unarmedReasons[shard] = undefined;
          return reply;
        case "unarmed":
          return this.#unarmed(shard, reply.timeMs, await this.#whyUnarmed(shard, isLoaded));
        case "stale_epoch":
          this.#epochs[shard] = reply.epoch;
          continue;
        case "foreign":
          throw new StoreError(
            "foreign",
            "none",
            `Cannot use shard ${shard} as it is armed for ${reply.what}`,
          );
        case "no_rights":
          throw new StoreError(
            "no_rights",
            "none",
            `Cannot use shard ${shard} as its Redis user may not run ${reply.what}: see deploy/redis/users.acl`,
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

  /** One `HMGET`: nothing that an order waits for. */
  async guaranteesOff(shard: number): Promise<readonly string[]> {
    const [meta = ""] = this.#shardKeys(shard);
    const [noted, settings] = list(
      await this.#connections.call(shard, "HMGET", meta, "promises_off", "settings"),
    );
    const off = typeof noted === "string" ? list(JSON.parse(noted)).map(text) : [];
    const difference = typeof settings === "string" ? this.#differenceFrom(settings) : "";
    return difference === "" ? off : [...off, difference];
  }

  /** The answer, with what could be found out. */
  #unarmed(shard: number, timeMs: number, reason: string | undefined): BatchResult {
    if (reason === undefined) return { kind: "unarmed", timeMs };
    if (reason !== this.#unarmedReasons[shard]) this.#limits.onUnarmed?.(shard, reason);
    this.#unarmedReasons[shard] = reason;
    return { kind: "unarmed", timeMs, reason };
  }

  #whyUnarmed(shard: number, isLoaded: boolean): Promise<string | undefined> {
    const [meta = ""] = this.#shardKeys(shard);
    const deployment = String(this.#terms.at(-1));
    return whyUnarmed(this.#connections, shard, meta, { deployment, isLoaded }).catch(() => undefined);
  }

  #differenceFrom(settings: string): string {
    const there = unpackLimits(settings);
    return there ? describeDifferences(this.#limits, there) : "";
  }

  #report(settings: string): void {
    // A shard each may differ in its own way while two workers do; more than that is not worth the memory.
    if (settings === "" || this.#reported.has(settings) || this.#reported.size >= reportsMax) return;
    this.#reported.add(settings);
    this.#limits.onDifferent?.(this.#differenceFrom(settings));
  }

  /** Closes the connections; calls on their way reject with an unknown effect. */
  close(): Promise<void> {
    return this.#connections.close();
  }

  async #run(shard: number, commands: string, isWaiting: boolean): Promise<BatchReply | "not_loaded"> {
    const keys = this.#shardKeys(shard);
    const args = [...keys, commands, this.#epochs[shard] ?? 0, ...this.#terms];
    try {
      return await this.#connections.run(shard, async (connection) => {
        const heard = this.#replicas[shard];
        const asked = isWaiting && heard?.url === connection.url ? heard.replicas : noFollowers;
        const deciding = connection.call("EVALSHA", this.#script.sha, keys.length, ...args);
        const waiting = acknowledged(connection, asked, this.#limits.replicaTimeoutMs);
        waiting.catch(() => {}); // it counts only for what was decided
        const reply = decodeBatch(await deciding);
        if (reply.kind !== "decided") {
          this.#replicas[shard] = undefined;
          return reply;
        }
        const { replicas } = reply;
        this.#report(reply.settings);
        this.#replicas[shard] = { url: connection.url, replicas };
        if (!isWaiting) return reply;
        // When the number is news: the connection has just answered, so it waits there for the same.
        const isNews = replicas.replicas > asked.replicas;
        const all = waiting.then((found) =>
          isNews ? acknowledged(connection, replicas, this.#limits.replicaTimeoutMs) : found
        );
        await assertReplicated(shard, replicas, all);
        return reply;
      });
    } catch (error) {
      this.#replicas[shard] = undefined; // the server may be another one by now, or have lost its replicas
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

/** What too few replicas have is in the log, and nobody may rely on it. */
async function assertReplicated(
  shard: number,
  wanted: Replicas,
  acknowledging: Promise<number>,
): Promise<void> {
  const found = await acknowledging.catch((cause) => {
    throw new StoreError("not_replicated", "unknown", "Cannot hear from the replicas", { cause });
  });
  if (found >= wanted.replicas) return;
  throw new StoreError(
    "not_replicated",
    "unknown",
    `Cannot answer for shard ${shard} as ${found} of ${wanted.replicas} replicas have it`,
  );
}
