/**
 * `doctor`: looks at settings and servers, and says which promises this deployment keeps.
 *
 * @module
 */
import { StoreError } from "../../inventory/store.ts";
import { exits } from "./failure.ts";
import { allShards, type Reach, type RedisCall } from "./reach.ts";
import { table, type Terminal } from "./terminal.ts";

/** One thing that was looked at. */
interface Finding {
  /** What was looked at. */
  readonly check: string;
  /** `bad`: it cannot sell like this; `warn`: a promise is off; `unknown`: it could not be looked at. */
  readonly verdict: "ok" | "warn" | "bad" | "unknown";
  /** What was found, and what it means. */
  readonly found: string;
}

const clockDifferenceMaxMs = 1000;
const postgresMin = 140_000;

/** Prints all findings. Returns 1 when any is `bad`. */
export async function doctor(reach: Reach, terminal: Terminal): Promise<number> {
  const redis = await reach.redis(0);
  const findings = [
    ...await redisFindings(reach, redis),
    ...await shardFindings(reach),
    ...await ledgerFindings(reach),
  ];
  const promises = promisesOf(findings);
  const text = [table(findings.map((finding) => ({ ...finding }))), "", ...promises].join("\n");
  terminal.result({ findings, promises }, text);
  return findings.some(({ verdict }) => verdict === "bad") ? exits.failed : exits.ok;
}

async function redisFindings(reach: Reach, redis: RedisCall): Promise<Finding[]> {
  const info = String(await redis("INFO"));
  const field = (name: string) => info.match(new RegExp(`^${name}:(.*?)\r?$`, "m"))?.[1] ?? "";
  const version = field("valkey_version")
    ? `Valkey ${field("valkey_version")}`
    : `Redis ${field("redis_version")}`;
  const control = await reach.control();
  const refusals = await Promise.all(allShards(reach).map((shard) => control.refusals(shard)));
  const refused = new Set(refusals.flat());
  const replicas = Number(field("connected_slaves"));
  const isAof = field("aof_enabled") === "1";
  return [
    { check: "redis", verdict: refused.size > 0 ? "bad" : "ok", found: [version, ...refused].join("; ") },
    await clockFinding(reach, redis),
    {
      check: "appendonly",
      verdict: isAof ? "ok" : "warn",
      found: isAof ? "yes" : "no: a restart forgets all sales that the ledger does not have yet",
    },
    await fsyncFinding(redis),
    {
      check: "replicas",
      verdict: replicas > 0 ? "ok" : "warn",
      found: replicas > 0 ? String(replicas) : "none: nothing is sold while this server is away",
    },
  ];
}

async function clockFinding({ world }: Reach, redis: RedisCall): Promise<Finding> {
  const sentMs = world.now();
  const reply = await redis("TIME");
  const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : [];
  const middleMs = (sentMs + world.now()) / 2;
  const differenceMs = Math.round((seconds ?? NaN) * 1000 + (micros ?? NaN) / 1000 - middleMs);
  const isFar = !(Math.abs(differenceMs) <= clockDifferenceMaxMs);
  return {
    check: "clock",
    verdict: isFar ? "warn" : "ok",
    found: `Redis is ${differenceMs} ms ahead of this machine${
      isFar ? ": opening times go by Redis's clock" : ""
    }`,
  };
}

async function fsyncFinding(redis: RedisCall): Promise<Finding> {
  try {
    const reply = await redis("CONFIG", "GET", "appendfsync");
    const value = Array.isArray(reply) ? String(reply[1] ?? "") : "";
    if (value === "always") return { check: "appendfsync", verdict: "ok", found: value };
    const found = `${value || "unknown"}: a power cut loses answered sales of the last second or more`;
    return { check: "appendfsync", verdict: value === "" ? "unknown" : "warn", found };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return {
      check: "appendfsync",
      verdict: "unknown",
      found: `CONFIG GET is refused here: ${error.message}`,
    };
  }
}

async function shardFindings(reach: Reach): Promise<Finding[]> {
  const control = await reach.control();
  const views = await Promise.all(allShards(reach).map((shard) => control.inspect(shard)));
  const unarmed = views.flatMap(({ armed }, shard) => armed ? [] : [shard]);
  const other = views.flatMap(({ shards }, shard) =>
    shards === 0 || shards === reach.config.shards ? [] : [shard]
  );
  return [
    {
      check: "shards",
      verdict: unarmed.length > 0 ? "bad" : "ok",
      found: unarmed.length > 0
        ? `not armed, so not selling: ${unarmed.join(", ")}; the worker's log says why`
        : `${views.length} armed`,
    },
    {
      check: "SHARDS",
      verdict: other.length > 0 ? "bad" : "ok",
      found: other.length > 0
        ? `shard ${other.join(", ")} was made for another number`
        : String(views.length),
    },
  ];
}

async function ledgerFindings(reach: Reach): Promise<Finding[]> {
  const { store } = reach.config;
  if (store.kind === "redis" && store.databaseUrl === null) {
    return [{
      check: "ledger",
      verdict: "warn",
      found: "DATABASE_URL is not set: orders past the window are unknown here",
    }];
  }
  const books = await reach.books();
  const [row] = await books.query<
    { version: string; number: string; fsync: string; commit: string; leases: number }
  >(`
    select current_setting('server_version') as version, current_setting('server_version_num') as number,
      current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
      (select count(distinct objid) from pg_locks
       where locktype = 'advisory' and granted and objid < 2147483648 -- from there on: places of workers
         and database = (select oid from pg_database where datname = current_database())
         and classid = (select oid from pg_namespace where nspname = current_schema())) as leases`);
  const { version = "", number = "0", fsync = "", commit = "", leases = 0 } = row ?? {};
  const deployment = await (await reach.ledger()).deployment();
  const isDurable = fsync === "on" && commit !== "off";
  return [
    {
      check: "postgresql",
      verdict: Number(number) >= postgresMin ? "ok" : "bad",
      found: Number(number) >= postgresMin ? version : `${version}: must be at least 14`,
    },
    {
      check: "commits",
      verdict: isDurable ? "ok" : "warn",
      found: `fsync ${fsync}, synchronous_commit ${commit}${isDurable ? "" : ": a crash loses booked sales"}`,
    },
    {
      check: "books",
      verdict: deployment?.shards === reach.config.shards ? "ok" : "bad",
      found: deployment
        ? `deployment ${deployment.id}, made for SHARDS=${deployment.shards}`
        : "none: no worker has made them yet",
    },
    {
      check: "leases",
      verdict: leases === reach.config.shards ? "ok" : "bad",
      found: `${leases} of ${reach.config.shards} shards have a worker`,
    },
  ];
}

/** What follows from the findings, as sentences. */
function promisesOf(findings: readonly Finding[]): string[] {
  const isOk = (...checks: string[]) =>
    checks.every((check) => findings.some((finding) => finding.check === check && finding.verdict === "ok"));
  const say = (kept: boolean, promise: string) => `${kept ? "kept" : "OFF "}  ${promise}`;
  return [
    say(isOk("redis"), "no unit is sold twice, and no order counts twice within the window"),
    say(isOk("appendonly", "appendfsync"), "an answered sale survives a power cut of Redis"),
    say(isOk("replicas"), "selling goes on when the Redis server is lost"),
    say(isOk("commits"), "what the ledger has survives a power cut of PostgreSQL"),
    say(isOk("leases"), "every sale reaches the ledger, and a lost store is rebuilt from it"),
  ];
}
