/**
 * Replicas: how many may take a master's place, and how an answer waits until they have what it rests on.
 *
 * An answer waits for every replica that could be elected, so whichever is, has it. In a Redis Cluster that
 * is every replica of the master that is not marked as failed: a majority of masters says so, and a master
 * that was cut off cannot. One that never had the data (`loading`) cannot be elected.
 *
 * A replica that acknowledges nothing for REPLICA_TIMEOUT_MS is waited for no longer, whatever the cluster says of
 * it: only its link to the master may be cut, and then nobody declares it failed. It may still be elected, so the
 * guarantee that rests on it is off, and that is said.
 *
 * The worker decides the number and writes it beside the arming, for all API processes. It is not lowered by what
 * a master does not see at one look: a master that wakes after its successor was chosen sees no replicas.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import type { Connection } from "./connection.ts";
import { integer, list, text } from "./reply.ts";

/** What a master's answers wait for. */
export interface Replicas {
  /** Replicas that must have acknowledged. */
  readonly replicas: number;
  /** Whether it must be on their disks too. */
  readonly onDisk: boolean;
}

/** As the worker found them. */
export interface FoundReplicas extends Replicas {
  /** Whether a higher number that was noted before is out of date. */
  readonly isCertain: boolean;
  /** Replicas that could take over and are not waited for, as they have been silent for too long. */
  readonly silent: number;
}

/** A master without replicas: an answer waits for nothing. */
export const noFollowers: Replicas = { replicas: 0, onDisk: false };

/** One look a second: an answer counts a replica that caught up meanwhile by itself (`lua/decide.lua`). */
const lookEveryMs = 1000;
/** A replica acknowledges once a second; the lag is in whole seconds. */
const freshLagS = 2;
/** Whether replicas keep an append-only file can only be tried: at every look, seldom when they do not. */
const tryDiskMs = 100;
const tryDiskAgainMs = 2000;
/** A replica that still loads its copy does not answer at all. */
const askMs = 50;

/**
 * Waits until replicas have all that the connection's last command left or saw, so a replay waits too. It is
 * to be sent in the same turn as that command. Returns how many have it; rejects when the connection is lost.
 */
export async function acknowledged(
  connection: Connection,
  { replicas, onDisk }: Replicas,
  timeoutMs: number,
): Promise<number> {
  if (replicas === 0) return 0;
  if (!onDisk) return integer(await connection.call("WAIT", replicas, timeoutMs));
  // The master's own disk has it: `appendfsync always` comes before every reply.
  return integer(list(await connection.call("WAITAOF", 0, replicas, timeoutMs))[1]);
}

/** What is known of a master's replicas from one look to the next. */
export interface ReplicaCount {
  /** Those that answers wait for. */
  readonly replicas: number;
  /** Those that could take over, silent ones included. */
  readonly expected: number;
  /** As in {@link FoundReplicas}. */
  readonly silent: number;
  /** As in {@link FoundReplicas}. */
  readonly isCertain: boolean;
  /** When all that were expected had acknowledged something, as far as is known; monotonic ms. */
  readonly heardAtMs: number;
  /** Since when `replicas` has been this number. */
  readonly sinceMs: number;
}

/** What one look at a master shows. */
export interface ReplicaFacts {
  /** Replicas that its cluster counts as healthy; 0 beside one server. */
  readonly electable: number;
  /** Replicas that its cluster has declared failed, or that have no data. */
  readonly failed: number;
  /** Seconds since each connected replica that has the data acknowledged something. */
  readonly lagsS: readonly number[];
}

/** Counts a master's replicas, `timeoutMs` being REPLICA_TIMEOUT_MS. */
export function countReplicas(
  { electable, failed, lagsS }: ReplicaFacts,
  before: ReplicaCount | undefined,
  { atMs, timeoutMs }: { atMs: number; timeoutMs: number },
): ReplicaCount {
  const fresh = lagsS.filter((lagS) => lagS <= freshLagS);
  // Beside one server nobody but its master knows a replica, and once its connection is gone only we do.
  const remembered = before && before.silent === 0 && electable + failed === 0 ? before.replicas : 0;
  const expected = Math.max(electable, lagsS.length, remembered);
  const missing = expected - fresh.length;
  const heardAtMs = missing > 0 ? before?.heardAtMs ?? atMs : atMs - 1000 * Math.max(0, ...fresh);
  const overdue = lagsS.filter((lagS) => lagS * 1000 >= timeoutMs).length;
  const isGone = missing > 0 && (atMs - heardAtMs >= timeoutMs || overdue >= missing);
  const replicas = isGone ? fresh.length : expected;
  const sinceMs = before?.replicas === replicas ? before.sinceMs : atMs;
  return {
    replicas,
    expected,
    silent: isGone ? Math.max(electable, lagsS.length) - fresh.length : 0,
    // Declared failed is gone at once.
    isCertain: failed > 0 || isGone || atMs - sinceMs >= timeoutMs,
    heardAtMs,
    sinceMs,
  };
}

interface ReplicaView extends ReplicaCount {
  readonly atMs: number;
  readonly onDisk: boolean;
  /** When the replicas' disks are tried again. */
  readonly tryDiskAtMs: number;
}

/** Looks after the replicas of every master that it is asked for. */
export class ReplicaMonitor {
  readonly #world: World;
  readonly #timeoutMs: number;
  readonly #sights = new Map<string, Promise<ReplicaView>>();

  /** Asks nothing yet. `timeoutMs`: REPLICA_TIMEOUT_MS. */
  constructor(world: World, timeoutMs: number) {
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /** The replicas of the server at the other end, as they were at most a second ago. */
  async of(connection: Connection): Promise<FoundReplicas> {
    const before = await this.#sights.get(connection.url)?.catch(() => undefined);
    if (before && this.#world.elapsedMs() - before.atMs < lookEveryMs) return before;
    const replicaView = this.#readView(connection, before);
    this.#sights.set(connection.url, replicaView);
    return await replicaView;
  }

  /** Looks anew the next time: something was written for the first time, say. */
  forget(connection: Connection): void {
    this.#sights.delete(connection.url);
  }

  async #readView(connection: Connection, before: ReplicaView | undefined): Promise<ReplicaView> {
    const atMs = this.#world.elapsedMs();
    const info = await infoOf(connection);
    const declared = info.includes("cluster_enabled:1")
      ? replicasOf(await connection.call("CLUSTER", "SHARDS"), text(await connection.call("CLUSTER", "MYID")))
      : { electable: 0, failed: 0 };
    const facts = { ...declared, lagsS: lagsOf(info) };
    const count = countReplicas(facts, before, { atMs, timeoutMs: this.#timeoutMs });
    const isTried = before?.replicas !== count.replicas || atMs >= before.tryDiskAtMs;
    const onDisk = isTried ? await this.#reachesDisks(connection, count.replicas, info) : before.onDisk;
    return {
      ...count,
      onDisk,
      atMs,
      tryDiskAtMs: !isTried ? before.tryDiskAtMs : onDisk ? atMs : atMs + tryDiskAgainMs,
    };
  }

  /** Replicas are set up as their master is; whether they keep a file at all is tried. */
  async #reachesDisks(connection: Connection, replicas: number, info: string): Promise<boolean> {
    if (replicas === 0 || !hasWaitAof(info)) return false;
    try {
      const [, fsync] = list(await connection.call("CONFIG", "GET", "appendfsync"));
      if (fsync !== "always") return false; // `everysec` on a replica would hold each answer for a second
      return await acknowledged(connection, { replicas, onDisk: true }, tryDiskMs) >= replicas;
    } catch {
      return false; // a managed server may refuse CONFIG; its replicas' memory has to do
    }
  }
}

/** `WAITAOF` came with Redis 7.2; 7.4.0 to 7.4.2 answer it too early. Every Valkey has it. */
export function hasWaitAof(info: string): boolean {
  if (info.includes("valkey_version:")) return true;
  const [, version = ""] = /^redis_version:(\S+)/m.exec(info) ?? [];
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (major !== 7) return major > 7;
  return minor === 2 || (minor === 4 && patch > 2);
}

/** A replica says of itself once a second how far it is; one that has just got its copy is asked. */
async function infoOf(connection: Connection): Promise<string> {
  const info = text(await connection.call("INFO"));
  const silent = [...info.matchAll(/state=online,offset=0,/g)].length;
  if (silent === 0) return info;
  await connection.call("WAIT", silent + lagsOf(info).length, askMs);
  return text(await connection.call("INFO"));
}

/** Of each connected replica that has acknowledged something, in `INFO` of its master: seconds since it did last. */
export function lagsOf(info: string): number[] {
  return [...info.matchAll(/state=online,offset=[1-9]\d*,lag=(\d+)/g)].map(([, lagS]) => Number(lagS));
}

/**
 * The replicas, in `CLUSTER SHARDS`, of the master with an id: those that could take its place, and those that
 * could not, because they are marked as failed or have no data yet.
 */
export function replicasOf(shards: unknown, masterId: string): { electable: number; failed: number } {
  for (const shard of list(shards).map(fields)) {
    const nodes = list(shard.get("nodes")).map(fields);
    if (!nodes.some((node) => node.get("id") === masterId)) continue;
    const all = nodes.filter((node) => node.get("role") === "replica");
    const electable = all.filter((node) => node.get("health") === "online").length;
    return { electable, failed: all.length - electable };
  }
  return { electable: 0, failed: 0 };
}

/** `[name, value, name, value, …]` */
function fields(flat: unknown): Map<string, unknown> {
  const items = list(flat);
  const pairs = new Map<string, unknown>();
  for (let i = 0; i + 1 < items.length; i += 2) pairs.set(text(items[i]), items[i + 1]);
  return pairs;
}
