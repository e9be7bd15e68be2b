/**
 * The worker's access to Redis: inspect, restore, arm, acknowledge.
 *
 * @module
 */
import type { CheckResult } from "../domain/check_result.ts";
import type { StoredScript } from "../ledger/ledger.ts";
import type { LineRow, QuotaRow, StockRow } from "../domain/rows.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import { decodeEntries } from "./stream.ts";
import {
  type AckResult,
  type Arming,
  type Nonce,
  RestoreOvertaken,
  type RestoreStart,
  type ShardControl,
  type ShardStatus,
  type ShardView,
} from "../decide/shard_control.ts";
import { type DecisionLimits, packLimits } from "../domain/limits.ts";
import { isForAPerson, refusesWrites, StoreError } from "../domain/errors.ts";
import { pairKey, rememberedKey } from "../domain/remembered_line.ts";
import { encodeLine } from "./wire_lines.ts";
import { readServer } from "./server_facts.ts";
import { decodeAck, decodeStock, decodeView, encodeStatus, packStock } from "./wire_control.ts";
import { allShardKeys, keyNames, type KeySpace } from "./keys.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { AddressProbe } from "./address_probe.ts";
import { digestOf, readScript, type Script } from "./script.ts";
import { type FoundReplicas, ReplicaMonitor } from "./replicas.ts";
import { list, text } from "./reply.ts";
import { judgeServer } from "./server_checks.ts";
import type { World } from "../runtime/world.ts";

/** Options of {@link RedisControl}. */
export interface ControlOptions extends KeySpace {
  /** The limits by which the shards that it arms and acknowledges decide. */
  readonly limits: DecisionLimits;
  /** Its clock is compared with the server's, and times the checks of replicas. */
  readonly world: World;
  /** REPLICA_TIMEOUT_MS. */
  readonly replicaTimeoutMs: number;
  /** The deciding scripts of other versions in use, loaded in addition to this version's; default none. */
  readonly versions?: () => Promise<readonly StoredScript[]>;
}

/** Entries that trimming leaves before the ledger's position, so that an operator can read them: 10,000 events. */
const trimMargin = 10_000;
const [scanCount, sweepFields] = [2000, 250] as const;
const eventsKey = keyNames.indexOf("events");

/** Verifies, restores and arms shards in Redis. */
export class RedisControl implements ShardControl {
  readonly #connections: ShardConnections;
  readonly #keys: string[][];
  readonly #options: ControlOptions;
  readonly #settings: string;
  readonly #replicas: ReplicaMonitor;
  /** Written into every shard that is armed or acknowledged. */
  readonly limits: DecisionLimits;
  readonly #decide = readScript("decide");
  readonly #inspect = readScript("inspect");
  readonly #arm = readScript("arm");
  readonly #ack = readScript("acknowledge");
  readonly #disarm = readScript("disarm");
  readonly #restore = readScript("restore");
  readonly #publishScript = readScript("publish_guarantees");
  readonly #sweep = readScript("sweep");
  readonly #probeWrites = readScript("probe_writes");
  readonly #mark = readScript("mark_for_rebuild");
  readonly #probe: AddressProbe;

  /** Reads its scripts from `lua/`. {@link close} closes `connections`. */
  constructor(connections: ShardConnections, options: ControlOptions) {
    this.#connections = connections;
    this.#probe = new AddressProbe(connections, options.world);
    this.#options = options;
    this.limits = options.limits;
    this.#settings = packLimits(options.limits);
    this.#replicas = new ReplicaMonitor(options.world, options.replicaTimeoutMs);
    this.#keys = allShardKeys(options);
  }

  /** Checks `INFO`, `CONFIG GET` and `TIME`, and whether new connections lead to the same server. */
  async checkResults(shard: number): Promise<CheckResult[]> {
    const facts = await readServer(this.#connections, shard, this.#options.world);
    const replicas = await this.#replicasOf(shard);
    return [...judgeServer({ ...facts, replicas }), ...await this.#probe.check(shard)];
  }

  /** One script, which it loads, because refusals precede {@link inspect}. */
  async publish(shard: number, deployment: string, status: ShardStatus): Promise<void> {
    await this.#connections.call(shard, "SCRIPT", "LOAD", this.#publishScript.source);
    await this.#run(this.#publishScript, shard, deployment, status.kind, encodeStatus(status));
  }

  /** Loads every script, including the API's, then reads the shard in one call and probes for writes. */
  async inspect(shard: number): Promise<ShardView> {
    // The API may not load scripts (its user lacks `script`), so a shard is armed with its script.
    for (const script of this.#scripts()) {
      await this.#connections.call(shard, "SCRIPT", "LOAD", script.source);
    }
    // An API of another version calls its own script; its worker may be gone, and a restart has forgotten the script.
    for (const { sha, source } of await this.#options.versions?.() ?? []) {
      if (digestOf(source) === sha) await this.#connections.call(shard, "SCRIPT", "LOAD", source);
    }
    return await this.#view(shard);
  }

  async #view(shard: number): Promise<ShardView> {
    const refusal = await this.#refusal(shard);
    return decodeView(await this.#run(this.#inspect, shard), refusal);
  }

  /** The server's reason for refusing writes; empty when it accepts them. */
  async #refusal(shard: number): Promise<string> {
    try {
      await this.#run(this.#probeWrites, shard);
      return "";
    } catch (error) {
      if (refusesWrites(error) || error instanceof StoreError && error.code === "READONLY") {
        return error.message;
      }
      throw error;
    }
  }

  /** One `HSCAN`: about 2000 SKUs. A SKU may be returned twice; an existing one is never missed. */
  async stock(shard: number, cursor: string): Promise<{ rows: StockRow[]; next: string | null }> {
    const reply = await this.#connections.call(
      shard,
      "HSCAN",
      this.#key(shard, 1),
      cursor,
      "COUNT",
      scanCount,
    );
    const [next, flat] = list(reply);
    return { rows: decodeStock(flat), next: text(next) === "0" ? null : text(next) };
  }

  /** One `XRANGE`. */
  async entries(shard: number, after: Position, entriesMax: number): Promise<LogEntry[]> {
    const range = [`(${after.epoch}-${after.seq}`, "+", "COUNT", entriesMax];
    return decodeEntries(
      await this.#connections.call(shard, "XRANGE", this.#key(shard, eventsKey), ...range),
    );
  }

  /** One `HDEL`: the script refuses from its next call on. */
  async disarm(shard: number, deployment: string, suspect = false): Promise<void> {
    await this.#probe.runOnStrays(this.#disarm, this.#shardKeys(shard), [deployment, "", Number(suspect)]);
    await this.#run(this.#disarm, shard, deployment, "", Number(suspect));
  }

  /** One script, which it loads, because the verb may be the first caller after a restart of the server. */
  async markForRebuild(shard: number, deployment: string): Promise<boolean> {
    await this.#connections.call(shard, "SCRIPT", "LOAD", this.#mark.source);
    return await this.#run(this.#mark, shard, deployment) === 1;
  }

  /** One script per call. */
  async disarmUnacknowledged(
    shard: number,
    deployment: string,
    word: string,
  ): Promise<"recorded" | "disarmed"> {
    await this.#probe.runOnStrays(this.#disarm, this.#shardKeys(shard), [deployment, word, 1]);
    return await this.#run(this.#disarm, shard, deployment, word, 1) === 2 ? "recorded" : "disarmed";
  }

  /**
   * Compares and empties in one script.
   *
   * @throws {RestoreOvertaken} when the shard has changed since it was `seen`: nothing was deleted
   */
  async beginRestore(shard: number, token: string, seen: ShardView, start: RestoreStart): Promise<void> {
    const { instance, position } = seen;
    const where = [start.deployment, start.shards, start.seq, start.applied];
    await this.#step(shard, ["begin", token, instance, position.epoch, position.seq, ...where]);
  }

  /**
   * One call per chunk; the script accepts at most 2000 rows.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  async restoreStock(shard: number, token: string, rows: readonly StockRow[]): Promise<void> {
    if (rows.length === 0) return;
    const flat = rows.flatMap((row) => [row.sku, packStock(row)]);
    await this.#step(shard, ["stock", token, ...flat]);
  }

  /** One call per chunk. @throws {RestoreOvertaken} when another restore began: nothing was written */
  async restoreQuotas(shard: number, token: string, rows: readonly QuotaRow[]): Promise<void> {
    if (rows.length === 0) return;
    const flat = rows.flatMap(({ userId, sku, units, sale }) => [pairKey(userId, sku), units, sale]);
    await this.#step(shard, ["quotas", token, ...flat]);
  }

  /**
   * One call per chunk. Purchases within the user limit count for it again.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  async restoreLines(shard: number, token: string, rows: readonly LineRow[]): Promise<void> {
    if (rows.length === 0) return;
    const lines = rows.map((row) => [rememberedKey(row), encodeLine(row)]);
    await this.#step(shard, ["lines", token, JSON.stringify(lines), this.limits.userLimitMs]);
  }

  /** Compares and arms in one script, so that no restart, promotion or other worker comes in between. */
  async arm(shard: number, arming: Arming): Promise<boolean> {
    const { seen, epoch, deployment, shards, applied, token, chunks } = arming;
    const verified = [seen.instance, seen.position.epoch, seen.position.seq];
    const { replicas, onDisk } = await this.#replicasOf(shard);
    const what = [epoch, deployment, shards, applied, token, chunks, replicas, Number(onDisk)];
    const armed = await this.#run(this.#arm, shard, ...verified, ...what, this.#settings) === 1;
    // A replica without any data before this acknowledges now: it counts from the next acknowledgement on.
    await this.#connections.run(shard, async (connection) => await this.#replicas.forget(connection));
    return armed;
  }

  /**
   * Trims up to 10,000 numbers before `applied`, whatever their epoch, in whole nodes of the stream: a few more may
   * remain. Records the limits, and the replicas that responses wait for.
   */
  async acknowledge(
    shard: number,
    applied: Position,
    deployment: string,
    nonce: Nonce,
  ): Promise<AckResult> {
    const keep = Math.max(0, applied.seq - trimMargin);
    const { replicas, onDisk, isCertain, silent } = await this.#replicasOf(shard);
    const parameters = [replicas, Number(onDisk), Number(isCertain), nonce.known, nonce.next, this.#settings];
    try {
      const reply = await this.#run(
        this.#ack,
        shard,
        applied.seq,
        applied.epoch,
        keep,
        deployment,
        ...parameters,
      );
      return { ...decodeAck(reply), silentReplicas: silent };
    } catch (error) {
      if (!refusesWrites(error) && !isForAPerson(error)) throw error;
      const view = await this.#view(shard);
      const { armed, deployment: owner, position: { epoch, seq } } = view;
      const isKnown = armed && owner === deployment && epoch === applied.epoch && seq >= applied.seq;
      const isSame = [nonce.known, nonce.next].includes(view.nonce);
      const kind = !isKnown ? "lost" : isSame ? "armed" : "replaced";
      return { kind, head: seq, nonce: view.nonce, silentReplicas: silent, refusal: error.message };
    }
  }

  /** One `HSCAN` of some 250 counts. */
  async sweepQuotas(shard: number, deployment: string, cursor: string): Promise<string> {
    return text(await this.#run(this.#sweep, shard, deployment, cursor, sweepFields));
  }

  /** Closes the connections; running calls reject. */
  async close(): Promise<void> {
    await Promise.all([this.#probe.close(), this.#connections.close()]);
  }

  #replicasOf(shard: number): Promise<FoundReplicas> {
    return this.#connections.run(shard, (connection) => this.#replicas.of(connection));
  }

  async #step(shard: number, args: (string | number)[]): Promise<void> {
    if (await this.#run(this.#restore, shard, ...args) === 1) return;
    throw new RestoreOvertaken(`Cannot restore shard ${shard} as it changed or another restore began`);
  }

  #run(script: Script, shard: number, ...args: (string | number)[]): Promise<unknown> {
    const keys = this.#shardKeys(shard);
    return this.#connections.call(shard, "EVALSHA", script.sha, keys.length, ...keys, ...args);
  }

  #scripts(): Script[] {
    const asked = [this.#decide, this.#inspect, this.#probeWrites];
    return [...asked, this.#arm, this.#ack, this.#disarm, this.#restore, this.#publishScript, this.#sweep];
  }

  #key(shard: number, index: number): string {
    return this.#shardKeys(shard)[index] ?? "";
  }

  #shardKeys(shard: number): string[] {
    const keys = this.#keys[shard];
    if (!keys) throw new RangeError(`Cannot use shard ${shard} as there are ${this.#keys.length}`);
    return keys;
  }
}
