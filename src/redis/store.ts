/**
 * Decides in Redis: one script call per batch.
 *
 * @module
 */
import { type DecisionLimits, describeDifferences, packLimits, unpackLimits } from "../domain/limits.ts";
import { StoreError } from "../domain/errors.ts";
import type { BatchResult, Retime, StockStore, Timed } from "../decide/store.ts";
import { allShardKeys, type KeySpace } from "./keys.ts";
import { acknowledged, noReplicas, type Replicas } from "./replicas.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import { readScript } from "./script.ts";
import { ownerUnknown, whyUnarmed } from "./unarmed.ts";
import { decodeReconciled } from "./wire_control.ts";
import { type BatchReply, decodeBatch, encodeBatch } from "./wire.ts";

/** The keys of a deployment, and the caller's deployment. */
export interface CallerKeySpace extends KeySpace {
  /**
   * The deployment of the caller's ledger; empty without a ledger; null when it is unknown: then nothing is decided
   * until {@link RedisStore.belongsTo} is called.
   */
  readonly deployment: string | null;
}

/** The caller's settings. The store decides by its own limits, not by these. */
export interface RedisLimits extends DecisionLimits {
  /** How long a response waits for replicas, ms: well below REQUEST_TIMEOUT_MS, or the client has timed out. */
  readonly replicaTimeoutMs: number;
  /** Called once for each difference between the limits in the store and the caller's. */
  readonly onDifferent?: (message: string) => void;
  /** Called each time the reason changes why a shard does not sell. */
  readonly onUnarmed?: (shard: number, reason: string) => void;
}

/**
 * The server of the replicas matters: after a failover a `WAIT` for the old master's replicas blocks the connection
 * for its whole time limit, even after a reply `unarmed`.
 */
interface KnownReplicas {
  readonly url: string;
  readonly replicas: Replicas;
}

/** Maximum of reported differences per process. */
const reportsMax = 100;

/** The API's access to Redis. It runs only scripts that the worker has loaded: `EVALSHA`, never `EVAL`. */
export class RedisStore implements StockStore {
  readonly #connections: ShardConnections;
  readonly #keys: string[][];
  readonly #script = readScript("decide");
  /** Limits and caller as every call has them: `ARGV[3]` to `ARGV[5]`. */
  #terms: readonly (number | string)[];
  #isKnown: boolean;
  /** The last epoch that this process received per shard; 0 = none. */
  readonly #epochs: number[];
  /** The replicas that each shard's responses wait for, from its server's last decision. */
  readonly #replicas: (KnownReplicas | undefined)[];
  readonly #limits: RedisLimits;
  /** Whether the last decision of each shard said that responses wait for replicas. */
  readonly #waits: boolean[] = [];
  /** Why each shard did not decide at the last call. */
  readonly #unarmedReasons: (string | undefined)[] = [];
  /** Reported differences of limits, in the script's format. */
  readonly #reported = new Set<string>();

  /** Reads its script from `lua/`. {@link close} closes `connections`. */
  constructor(connections: ShardConnections, keySpace: CallerKeySpace, limits: RedisLimits) {
    this.#connections = connections;
    this.#keys = allShardKeys(keySpace);
    this.#epochs = new Array(keySpace.shards).fill(0);
    this.#replicas = new Array(keySpace.shards).fill(undefined);
    this.#isKnown = keySpace.deployment !== null;
    this.#limits = limits;
    this.#terms = [packLimits(limits), keySpace.shards, keySpace.deployment ?? ""];
  }

  /** From now on only shards of this deployment decide: for a caller that starts without its ledger. */
  belongsTo(deployment: string): void {
    this.#isKnown = true;
    this.#terms = [...this.#terms.slice(0, -1), deployment];
  }

  /**
   * Decides a batch in one `EVALSHA`, in two when the shard's epoch was new, and waits until the replicas have its
   * data. A server that lacks the script counts as unarmed, at time 0.
   *
   * @throws {StoreError} also `foreign`, `no_rights`, `stale_server` and `stale_epoch`, which have no effect, and
   * `not_replicated`, whose effect is unknown: the decisions are in the log, which a failover may lose
   */
  async decide(shard: number, batch: readonly Timed[], retime?: Retime): Promise<BatchResult> {
    // Redis may belong to another deployment.
    if (!this.#isKnown) return this.#unarmed(shard, 0, ownerUnknown);
    let commands = encodeBatch(batch);
    const isWaiting = batch.length > 0; // a probe has no effect
    const isLoaded = true;
    // At most twice: the epoch can be new once; if it is new again, the shard is being armed repeatedly.
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
          // The server may be another one, and what is sent to it from now on must have deadlines by its clock.
          if (retime) commands = encodeBatch(retime(reply.timeMs));
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

  /** One `HMGET`, for which no order waits. */
  async guaranteesOff(shard: number): Promise<readonly string[]> {
    const [meta = ""] = this.#shardKeys(shard);
    const [published, settings, reconciled] = list(
      await this.#connections.call(shard, "HMGET", meta, "promises_off", "settings", "reconciled"),
    );
    const off = typeof published === "string" ? list(JSON.parse(published)).map(text) : [];
    const { differences = 0 } = decodeReconciled(reconciled) ?? {};
    if (differences > 0) {
      off.push(
        `store and ledger of shard ${shard} agree: ${differences} differences, named in the worker's log`,
      );
    }
    const difference = typeof settings === "string" ? this.#differenceFrom(settings) : "";
    return difference === "" ? off : [...off, difference];
  }

  /** The reply, with the reason if it could be determined. */
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
    // Each shard may differ in its own way while two workers run; more reports are not worth the memory.
    if (settings === "" || this.#reported.has(settings) || this.#reported.size >= reportsMax) return;
    this.#reported.add(settings);
    this.#limits.onDifferent?.(this.#differenceFrom(settings));
  }

  /** Closes the connections; running calls reject with an unknown effect. */
  close(): Promise<void> {
    return this.#connections.close();
  }

  async #run(shard: number, commands: string, isWaiting: boolean): Promise<BatchReply | "not_loaded"> {
    const keys = this.#shardKeys(shard);
    const args = [...keys, commands, this.#epochs[shard] ?? 0, ...this.#terms];
    try {
      return await this.#connections.run(shard, async (connection) => {
        const known = this.#replicas[shard];
        const asked = isWaiting && known?.url === connection.url ? known.replicas : noReplicas;
        const deciding = connection.call("EVALSHA", this.#script.sha, keys.length, ...args);
        const waiting = acknowledged(connection, asked, this.#limits.replicaTimeoutMs);
        waiting.catch(() => {}); // it counts only for decisions
        const reply = decodeBatch(await deciding);
        if (reply.kind !== "decided") {
          this.#replicas[shard] = undefined;
          return reply;
        }
        const { replicas } = reply;
        this.#waits[shard] = replicas.replicas > 0;
        this.#report(reply.settings);
        this.#replicas[shard] = { url: connection.url, replicas };
        if (!isWaiting) return reply;
        // When the number is new: the connection has just responded, so it waits there for the same data.
        const isNews = replicas.replicas > asked.replicas;
        const all = waiting.then((found) =>
          isNews ? acknowledged(connection, replicas, this.#limits.replicaTimeoutMs) : found
        );
        await assertReplicated(shard, replicas, all);
        return reply;
      }, this.#waits[shard] ? "shard" : "server"); // WAIT blocks a connection, also for other shards
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

/** Decisions that too few replicas have are in the log, but may be lost. */
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
