/**
 * Replicas: how many may succeed a master, and how a response waits until they have its data.
 *
 * A response waits for every replica that could be elected, so the elected one has its data. In a Redis Cluster these
 * are the replicas of the master that are not marked as failed: marking takes a majority of masters, which a master
 * that was cut off does not have. A replica that never had the data (`loading`) cannot be elected.
 *
 * A replica that acknowledges nothing for REPLICA_TIMEOUT_MS is no longer waited for, whatever the cluster reports:
 * if only its link to the master is cut, no node declares it failed. It may still be elected, so the guarantee that
 * depends on it is reported as off.
 *
 * The worker determines the number and stores it with the arming, for all API processes. A single check that sees
 * fewer replicas does not lower it: a master that wakes after its successor was elected sees no replicas.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import type { Connection } from "./connection.ts";
import { integer, list, text } from "./reply.ts";

/** The replicas that a master's responses wait for. */
export interface Replicas {
  /** Replicas that must have acknowledged. */
  readonly replicas: number;
  /** Whether the data must also be on their disks. */
  readonly onDisk: boolean;
}

/** Replicas as the worker found them. */
export interface FoundReplicas extends Replicas {
  /** Whether a higher number that was recorded before is out of date. */
  readonly isCertain: boolean;
  /** Replicas that could be elected but are not waited for, because they have been silent for too long. */
  readonly silent: number;
}

/** A master without replicas: responses wait for nothing. */
export const noReplicas: Replicas = { replicas: 0, onDisk: false };

/** One check per second; a response counts a replica that caught up meanwhile by itself (`lua/decide.lua`). */
const checkEveryMs = 1000;
/** A replica acknowledges once a second; the lag is in whole seconds. */
const freshLagS = 2;
/** Whether replicas write an append-only file can only be tried: at every check, seldom when they do not. */
const tryDiskMs = 100;
const tryDiskAgainMs = 2000;
/** A replica that still loads its copy does not respond at all. */
const askMs = 50;

/**
 * Waits until replicas have all data that the connection's last command wrote or read, so a replay waits too. It must
 * be sent in the same event-loop turn as that command. Returns how many have the data; rejects when the connection is
 * lost.
 */
export async function acknowledged(
  connection: Connection,
  { replicas, onDisk }: Replicas,
  timeoutMs: number,
): Promise<number> {
  if (replicas === 0) return 0;
  if (!onDisk) return integer(await connection.call("WAIT", replicas, timeoutMs));
  // The master's own disk has it: `appendfsync always` precedes every reply.
  return integer(list(await connection.call("WAITAOF", 0, replicas, timeoutMs))[1]);
}

/** State of a master's replicas between two checks. */
export interface ReplicaCount {
  /** Replicas that responses wait for. */
  readonly replicas: number;
  /** Replicas that could be elected, silent ones included. */
  readonly expected: number;
  /** As in {@link FoundReplicas}. */
  readonly silent: number;
  /** As in {@link FoundReplicas}. */
  readonly isCertain: boolean;
  /** When all expected replicas had acknowledged something, as far as known; monotonic ms. */
  readonly heardAtMs: number;
  /** Since when `replicas` has this value. */
  readonly sinceMs: number;
}

/** Facts of one check of a master. */
export interface ReplicaFacts {
  /** Replicas that the cluster counts as healthy; 0 for a single server. */
  readonly electable: number;
  /** Replicas that the cluster has declared failed, or that have no data. */
  readonly failed: number;
  /** Seconds since the last acknowledgement of each connected replica that has the data. */
  readonly lagsS: readonly number[];
}

/** Counts a master's replicas; `timeoutMs` is REPLICA_TIMEOUT_MS. */
export function countReplicas(
  { electable, failed, lagsS }: ReplicaFacts,
  before: ReplicaCount | undefined,
  { atMs, timeoutMs }: { atMs: number; timeoutMs: number },
): ReplicaCount {
  const fresh = lagsS.filter((lagS) => lagS <= freshLagS);
  // Only its master knows the replica of a single server; once its connection is closed, only this process does.
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
    // A replica that was declared failed is removed at once.
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

/** Monitors the replicas of masters. */
export class ReplicaMonitor {
  readonly #world: World;
  readonly #timeoutMs: number;
  readonly #views = new Map<string, Promise<ReplicaView>>();

  /** `timeoutMs`: REPLICA_TIMEOUT_MS. */
  constructor(world: World, timeoutMs: number) {
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /** The replicas of the connection's server, at most a second old. */
  async of(connection: Connection): Promise<FoundReplicas> {
    const before = await this.#views.get(connection.url)?.catch(() => undefined);
    if (before && this.#world.elapsedMs() - before.atMs < checkEveryMs) return before;
    const replicaView = this.#readView(connection, before);
    this.#views.set(connection.url, replicaView);
    return await replicaView;
  }

  /** Forces a new check at the next call, for example after the first write. */
  forget(connection: Connection): void {
    this.#views.delete(connection.url);
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

  /** Replicas are configured like their master; whether they write a file at all is tried. */
  async #reachesDisks(connection: Connection, replicas: number, info: string): Promise<boolean> {
    if (replicas === 0 || !hasWaitAof(info)) return false;
    try {
      const [, fsync] = list(await connection.call("CONFIG", "GET", "appendfsync"));
      if (fsync !== "always") return false; // `everysec` on a replica would delay each response by a second
      return await acknowledged(connection, { replicas, onDisk: true }, tryDiskMs) >= replicas;
    } catch {
      return false; // a managed server may refuse CONFIG; then its replicas' memory must suffice
    }
  }
}

/** `WAITAOF` was introduced in Redis 7.2; 7.4.0 to 7.4.2 reply too early. Every Valkey has it. */
export function hasWaitAof(info: string): boolean {
  if (info.includes("valkey_version:")) return true;
  const [, version = ""] = /^redis_version:(\S+)/m.exec(info) ?? [];
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (major !== 7) return major > 7;
  return minor === 2 || (minor === 4 && patch > 2);
}

/** A replica reports its offset once a second; a new one is asked. */
async function infoOf(connection: Connection): Promise<string> {
  const info = text(await connection.call("INFO"));
  const silent = [...info.matchAll(/state=online,offset=0,/g)].length;
  if (silent === 0) return info;
  await connection.call("WAIT", silent + lagsOf(info).length, askMs);
  return text(await connection.call("INFO"));
}

/**
 * From the master's `INFO`: seconds since the last acknowledgement of each connected replica that has acknowledged.
 */
export function lagsOf(info: string): number[] {
  return [...info.matchAll(/state=online,offset=[1-9]\d*,lag=(\d+)/g)].map(([, lagS]) => Number(lagS));
}

/**
 * From `CLUSTER SHARDS`: the replicas of a master that could be elected, and those that could not, because they are
 * marked as failed or have no data yet.
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
