/**
 * A system that the benchmarks put under load: Holdfast, or what could be used in its place.
 *
 * @module
 */
import { childrenOf } from "../../tools/servers/pid.ts";

/** How a system is started. */
export interface StartOptions {
  /** Units of each SKU. */
  readonly stock: number;
  /** Number of SKUs, named SKU_1 to SKU_n. */
  readonly skus: number;
  /** The checkout that `before` starts. */
  readonly before: string;
  /** Where telemetry is sent, OTLP over HTTP; without it Holdfast exports none and the Go service discards its own. */
  readonly telemetryUrl?: string | undefined;
  /** Settings of Holdfast in addition to those of the benchmark. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether Redis writes its append-only file with fsync before each answer; not when left out. */
  readonly hasFsync?: boolean;
}

/** What the processes of a system have used. */
export interface Usage {
  /** User and system time since they began, ms, with that of children that have ended. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Memory: resident size of a process, `used_memory` of Redis. */
  readonly memoryBytes: Readonly<Record<string, number>>;
  /** Open descriptors of Holdfast's own processes. */
  readonly descriptors?: Readonly<Record<string, number>>;
}

/** A process that can be killed and started again. */
export interface Part {
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A system under load. */
export interface System extends AsyncDisposable {
  readonly url: string;
  /** PostgreSQL of Holdfast's ledger. */
  readonly databaseUrl?: string;
  /** Whether it keeps a stock. */
  readonly sells: boolean;
  /** Its processes by name: API, Redis, worker, PostgreSQL. */
  readonly parts: Readonly<Record<string, Part>>;
  usage(): Promise<Usage>;
  /** Units that were sold, by the system's own stock. */
  sold(): Promise<number>;
  /** Lines in the ledger; null = it has none. */
  rows(): Promise<number | null>;
  /** Events that are not in the ledger yet; null = it has none. */
  lag(): Promise<number | null>;
  /** Resolves when the ledger has what was sold. */
  settled(): Promise<void>;
  /** Ids of the orders that the system still knows, in its most durable place. */
  orderIds(): Promise<ReadonlySet<string>>;
}

/** SKU_1 to SKU_n. */
export function skuNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `SKU_${i + 1}`);
}

/** User and system time of a process and of its children that have ended, ms; 0 when it is gone. */
export function cpuOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  // utime, stime, cutime and cstime are fields 14 to 17 of proc(5), in ticks of 10 ms.
  return fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) * 10;
}

/** The resident size in /proc/PID/status, bytes; 0 without one. */
export function residentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** `used_memory` of the answer to INFO memory. */
export function usedMemoryBytes(info: string): number {
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0);
}

/** CPU of a process; `hasChildren` adds those that run now, as PostgreSQL's backends. */
export async function cpuMsOf(pid: number, { hasChildren = false } = {}): Promise<number> {
  const pids = hasChildren ? [pid, ...await childrenOf(pid)] : [pid];
  const each = await Promise.all(pids.map(async (id) => cpuOfStat(await readProc(id, "stat"))));
  return each.reduce((sum, ms) => sum + ms, 0);
}

/** Resident size of a process, bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  return residentBytes(await readProc(pid, "status"));
}

/** Open descriptors of a process; 0 when it is gone. */
export function descriptorsOf(pid: number): number {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
  } catch {
    return 0;
  }
}

/** Empty when the process is gone. */
async function readProc(pid: number, name: string): Promise<string> {
  return await Deno.readTextFile(`/proc/${pid}/${name}`).catch(() => "");
}
