/**
 * Checks of a Redis server by its settings.
 *
 * A managed server may refuse `CONFIG`. Then `INFO` must suffice, which has all settings except `appendfsync`;
 * settings that remain unknown are reported as such.
 *
 * @module
 */
import { type CheckResult, judgeClock, refusalsOf } from "../domain/check_result.ts";
import type { FoundReplicas } from "./replicas.ts";

/** Properties that a server reports. */
export interface ServerFacts {
  /** Its reply to `INFO`. */
  readonly info: string;
  /** Its settings by name; null when it refuses `CONFIG GET`. */
  readonly settings: ReadonlyMap<string, string> | null;
  /** How far its clock is ahead of this machine's, ms. */
  readonly aheadMs: number;
  /** Replicas that responses wait for, and those that are silent. */
  readonly replicas: Pick<FoundReplicas, "replicas" | "silent">;
}

/** Settings that are read with `CONFIG GET`. */
export const settingsAsked = ["appendfsync", "min-replicas-to-write"] as const;

/** Redis 7.0 and Valkey 7.2 are the first that run a `#!lua` script with `INFO` in it and refuse it as a whole. */
const redisMin = [7, 0] as const;
const valkeyMin = [7, 2] as const;

/** Checks a server that has, or may get, the right to sell. */
export function judgeServer({ info, settings, aheadMs, replicas }: ServerFacts): CheckResult[] {
  const field = fieldsOf(info);
  return [
    ...usableFindings(info),
    fileFinding(field("aof_enabled"), field("aof_last_write_status")),
    fsyncFinding(settings?.get("appendfsync")),
    replicasCheck(Number(field("connected_slaves") ?? 0), replicas),
    minReplicasCheck(settings?.get("min-replicas-to-write"), field("min_slaves_good_slaves")),
    judgeClock("Redis", aheadMs),
  ];
}

function versionFinding(redis: string, valkey: string | undefined): CheckResult {
  const [name, version, min] = valkey === undefined
    ? ["Redis", redis, redisMin] as const
    : ["Valkey", valkey, valkeyMin] as const;
  const isOld = isBelow(version, min);
  const found = isOld ? `must be at least ${name} ${min.join(".")}: it is ${version}` : `${name} ${version}`;
  return { check: "version", verdict: isOld ? "bad" : "ok", found, promise: "once" };
}

function fieldsOf(info: string): (name: string) => string | undefined {
  return (name) => info.match(new RegExp(`^${name}:(.*?)\r?$`, "m"))?.[1];
}

function usableFindings(info: string): CheckResult[] {
  const field = fieldsOf(info);
  return [
    versionFinding(field("redis_version") ?? "", field("valkey_version")),
    ...engineFinding(info),
    evictionFinding(field("maxmemory_policy")),
  ];
}

/** Whether the server's scripting engines are modules, which `INFO scriptingengines` lists: Valkey 9.1 and newer. */
export function hasEngines(info: string): boolean {
  const version = info.match(/^valkey_version:(.*?)\r?$/m)?.[1];
  return version !== undefined && !isBelow(version, [9, 1]);
}

function engineFinding(info: string): CheckResult[] {
  const isListed = /^engines_count:\d+\r?$/m.test(info);
  if (!isListed || /^engine_\d+:name=LUA,/mi.test(info)) return [];
  const found =
    "must have the scripting engine 'lua': this Valkey runs without its Lua module, load it with " +
    "'loadmodule <path>/libvalkeylua.so' in its configuration";
  return [{ check: "scripting engine", verdict: "bad", found, promise: "once" }];
}

/** Reasons, from its `INFO`, for not using a server at all. */
export function whyUnusable(info: string): string[] {
  return refusalsOf(usableFindings(info), "report");
}

function evictionFinding(policy: string | undefined): CheckResult {
  const about = { check: "maxmemory-policy", promise: "once" } as const;
  if (policy === undefined) return { ...about, verdict: "unknown", found: "is not shown by this server" };
  if (policy === "noeviction") return { ...about, verdict: "ok", found: policy };
  return { ...about, verdict: "bad", found: `must be noeviction, or it forgets sales: it is ${policy}` };
}

function fileFinding(enabled: string | undefined, lastWrite: string | undefined): CheckResult {
  const about = { check: "appendonly", promise: "powerCut" } as const;
  if (enabled === undefined) return { ...about, verdict: "unknown", found: "is not shown by this server" };
  if (enabled !== "1") {
    return { ...about, verdict: "off", found: "is no: a restart forgets what the ledger does not have yet" };
  }
  if (lastWrite !== undefined && lastWrite !== "ok") {
    return { ...about, verdict: "off", found: `is yes, and the last write to the file failed: ${lastWrite}` };
  }
  return { ...about, verdict: "ok", found: "yes" };
}

function fsyncFinding(value: string | undefined): CheckResult {
  const about = { check: "appendfsync", promise: "powerCut" } as const;
  if (value === undefined) {
    return { ...about, verdict: "unknown", found: "is not shown by this server, which refuses CONFIG GET" };
  }
  if (value === "always") return { ...about, verdict: "ok", found: value };
  return {
    ...about,
    verdict: "off",
    found: `is ${value}: accepted sales of the last second or more may be lost`,
  };
}

function replicasCheck(count: number, { replicas, silent }: ServerFacts["replicas"]): CheckResult {
  const about = { check: "replicas", promise: "serverLoss" } as const;
  if (silent > 0) {
    const found = `${replicas} of ${replicas + silent} acknowledge: responses no longer wait for the others`;
    return { ...about, verdict: "off", found };
  }
  if (count > 0) return { ...about, verdict: "ok", found: String(count) };
  return {
    ...about,
    verdict: "off",
    found: "there are none: its disk has the only copy of what the ledger lacks",
  };
}

/** `INFO` has the number of good replicas only where a minimum is set. */
function minReplicasCheck(minimum: string | undefined, good: string | undefined): CheckResult {
  const isSet = minimum === undefined ? good !== undefined : minimum !== "0";
  const found = isSet
    ? minimum ?? "set"
    : "is 0: a master that is cut off from its replicas goes on writing what its successor lacks";
  return { check: "min-replicas-to-write", verdict: isSet ? "ok" : "off", found, promise: "serverLoss" };
}

function isBelow(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a < major || (a === major && b < minor);
}
