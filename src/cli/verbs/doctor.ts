/**
 * `doctor`: checks settings and servers, and lists the guarantees that this deployment keeps.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { Config } from "../../runtime/settings/config.ts";
import { type CheckResult, type GuaranteeName, guarantees } from "../../domain/check_result.ts";
import type { ShardView } from "../../decide/shard_control.ts";
import { countDescriptors, descriptorsWanted } from "../../http/listener.ts";
import { describeDifferences, limitsOf } from "../../domain/limits.ts";
import { exits } from "../context/failure.ts";
import { logWayOf } from "../../log/topic.ts";
import { allShards, type CliContext, type TopicLook } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** A check result about the deployment itself, on which no guarantee of the servers depends. */
export type Look = Omit<CheckResult, "promise"> & { readonly promise: GuaranteeName | null };

/** Prints all checkResults. Returns 1 when any is `bad`. */
export async function doctor(context: CliContext, terminal: Terminal): Promise<number> {
  const { queueMax, connectionsMax } = context.config;
  const looks = [
    descriptorCheck(
      { queueMax, connectionsMax },
      countDescriptors(descriptorsWanted(queueMax, connectionsMax)),
    ),
    ...await storeFindings(context),
    ...await shardFindings(context),
    ...await ledgerFindings(context),
    ...await topicFindings(context),
  ];
  const checkResults = looks.map(({ check, verdict, found }) => ({ check, verdict, found }));
  const sentences = Object.keys(guarantees).map((name) => sentenceOf(name as GuaranteeName, looks));
  terminal.result(
    { findings: checkResults, promises: sentences },
    [table(checkResults), "", ...sentences].join("\n"),
  );
  return looks.some(({ verdict }) => verdict === "bad") ? exits.failed : exits.ok;
}

/**
 * Whether a process with the limits of this one can hold as many requests and connections as its settings allow.
 *
 * @param descriptors number that this process can open, at most the number needed
 */
export function descriptorCheck(
  { queueMax, connectionsMax }: Pick<Config, "queueMax" | "connectionsMax">,
  descriptors: number,
): Look {
  const wanted = descriptorsWanted(queueMax, connectionsMax);
  const isEnough = descriptors >= wanted;
  const bounds = `QUEUE_MAX=${queueMax} and CONNECTIONS_MAX=${connectionsMax}`;
  return {
    check: "descriptors",
    verdict: isEnough ? "ok" : "off",
    found: isEnough
      ? `${wanted} can be open, as ${bounds} take`
      : `${descriptors} can be open here, ${bounds} take ${wanted}: raise ulimit -n (nofile)`,
    promise: null,
  };
}

/** Check results of the shards' servers. Results that differ among shards name the shards. */
async function storeFindings(context: CliContext): Promise<Look[]> {
  const control = await context.control();
  const shards = allShards(context);
  const found = await Promise.all(shards.map((shard) => control.checkResults(shard)));
  const groups = new Map<string, { checkResult: CheckResult; shards: number[] }>();
  found.forEach((checkResults, shard) => {
    for (const checkResult of checkResults) {
      // The values of a passed check may differ between shards.
      const key = [
        checkResult.check,
        checkResult.verdict,
        checkResult.verdict === "ok" ? "" : checkResult.found,
      ].join("\n");
      const group = groups.get(key) ?? { checkResult, shards: [] };
      groups.set(key, group);
      group.shards.push(shard);
    }
  });
  return [...groups.values()].map(({ checkResult, shards: those }) =>
    those.length === shards.length
      ? checkResult
      : { ...checkResult, found: `${checkResult.found} (shard ${those.join(", ")})` }
  );
}

async function shardFindings(context: CliContext): Promise<Look[]> {
  const control = await context.control();
  const views = await Promise.all(allShards(context).map((shard) => control.inspect(shard)));
  const unarmed = views.flatMap(({ armed }, shard) => armed ? [] : [shard]);
  const other = views.flatMap(({ shards }, shard) =>
    shards === 0 || shards === context.config.shards ? [] : [shard]
  );
  const refusing = Map.groupBy(views.keys(), (shard) => views[shard]?.refusal ?? "");
  const reasons = [...refusing].filter(([refusal]) => refusal !== "");
  const own = limitsOf(context.config);
  const differences = new Set(
    views.flatMap(({ limits }) => limits ? describeDifferences(own, limits) || [] : []),
  );
  return [
    {
      check: "writes",
      verdict: reasons.length > 0 ? "bad" : "ok",
      found: reasons.length > 0
        ? reasons.map(([why, shards]) => `shard ${[...shards].join(", ")} refuses them: ${why}`).join("; ")
        : "taken",
      promise: null,
    },
    {
      check: "shards",
      verdict: unarmed.length > 0 ? "bad" : "ok",
      found: unarmed.length > 0
        ? `not armed, so not selling: ${unarmed.join(", ")}; the worker's log says why`
        : `${views.length} armed`,
      promise: null,
    },
    reconciliationCheck(views),
    {
      check: "SHARDS",
      verdict: other.length > 0 ? "bad" : "ok",
      found: other.length > 0
        ? `shard ${other.join(", ")} was made for another number`
        : String(views.length),
      promise: null,
    },
    {
      check: "settings",
      verdict: differences.size > 0 ? "off" : "ok",
      found: differences.size > 0 ? [...differences].join("; ") : "as the deployment's",
      promise: null,
    },
  ];
}

/** What the workers found while the shards sold. */
export function reconciliationCheck(views: readonly Pick<ShardView, "reconciled">[]): Look {
  const about = { check: "reconciliation", promise: null };
  const counts = views.map(({ reconciled }) => reconciled?.differences ?? 0);
  const differing = counts.flatMap((count, shard) => count > 0 ? [`shard ${shard}: ${count}`] : []);
  if (differing.length > 0) {
    const found = `store and ledger differ (${differing.join(", ")}); the worker's log names what`;
    return { ...about, verdict: "off", found };
  }
  const times = views.map(({ reconciled }) => reconciled?.atMs ?? 0);
  const oldestMs = Math.min(...times);
  if (oldestMs === 0) return { ...about, verdict: "unknown", found: "not every SKU was compared yet" };
  return {
    ...about,
    verdict: "ok",
    found: `every SKU was compared, the last time at ${new Date(oldestMs).toISOString()}`,
  };
}

async function ledgerFindings(context: CliContext): Promise<Look[]> {
  const { store, shards } = context.config;
  if (store.kind === "redis" && store.databaseUrl === null) {
    const found = "DATABASE_URL is not set: nothing can be said of it here";
    return [
      { check: "ledger", verdict: "unknown", found, promise: "ledger" },
      { check: "leases", verdict: "unknown", found, promise: "booked" },
    ];
  }
  const ledger = await context.ledger();
  const deployment = await ledger.deployment();
  const leases = await countLeases(context);
  return [
    ...await ledger.checkResults(),
    {
      check: "books",
      verdict: deployment?.shards === shards ? "ok" : "bad",
      found: deployment
        ? `deployment ${deployment.id}, made for SHARDS=${deployment.shards}`
        : "none: no worker has made them yet",
      promise: null,
    },
    {
      check: "leases",
      verdict: leases === shards ? "ok" : "bad",
      found: `${leases} of ${shards} shards have a worker`,
      promise: "booked",
    },
  ];
}

async function topicFindings(context: CliContext): Promise<Look[]> {
  const inspection = await context.topic();
  const control = await context.control();
  const views = await Promise.all(allShards(context).map((shard) => control.inspect(shard)));
  const own = inspection === null
    ? "stream"
    : inspection.kind === "found"
    ? logWayOf(inspection.facts)
    : undefined;
  return [...judgeTopic(inspection), ...judgeLogWays(views.map(({ logWay }) => logWay), own)];
}

/** Compares the log sources of the workers, one per shard, with that of this process' settings. */
export function judgeLogWays(noted: readonly string[], own: string | undefined): Look[] {
  const ways = new Set(noted.filter((way) => way !== ""));
  const all = [...ways].join("; ");
  const about = { check: "KAFKA_BROKERS", promise: null };
  if (ways.size > 1) return [{ ...about, verdict: "bad", found: `workers disagree about it: ${all}` }];
  if (ways.size === 0 || own === undefined || ways.has(own)) return [];
  return [{ ...about, verdict: "off", found: `is another one here (${own}) than for the workers: ${all}` }];
}

/** A worker that was down for a weekend finds the entries that it has not applied; the stream has them, too. */
const retentionMinMs = 3 * 86_400_000;

/** Check results of the topic; empty without one. */
export function judgeTopic(inspection: TopicLook | null): Look[] {
  if (inspection === null) return [];
  const promise = "booked";
  if (inspection.kind === "away") return [{ check: "kafka", verdict: "bad", found: inspection.why, promise }];
  if (inspection.kind === "missing") {
    return [{
      check: "kafka",
      verdict: "off",
      found: "has no topic yet: the worker creates it",
      promise: null,
    }];
  }
  const { topic, partitions, used, replicationFactor, minInsyncReplicas, retentionMs } = inspection.facts;
  const isShort = retentionMs >= 0 && retentionMs < retentionMinMs;
  const days = Math.round(retentionMs / 8_640_000) / 10;
  const copies = `${replicationFactor} of each partition`;
  return [
    {
      check: "kafka",
      verdict: inspection.whyUnusable === undefined ? "ok" : "bad",
      found: inspection.whyUnusable ?? `topic ${topic}, ${partitions} partitions for ${used} shards`,
      promise,
    },
    {
      check: "retention.ms",
      verdict: isShort ? "off" : "ok",
      found: retentionMs < 0 ? "for ever" : isShort ? `${days} days: set at least 3` : `${days} days`,
      promise: null,
    },
    {
      check: "min.insync.replicas",
      verdict: minInsyncReplicas < 2 ? "off" : "ok",
      found: minInsyncReplicas < 2
        ? `is ${minInsyncReplicas}: a message may be on one broker only; there are ${copies}`
        : `${minInsyncReplicas}, with ${copies}`,
      promise: null,
    },
  ];
}

async function countLeases(context: CliContext): Promise<number> {
  const [row] = await (await context.database()).query<{ leases: number }>(
    (await loadStatements()).count_leases,
  );
  return row?.leases ?? 0;
}

/** Kept, off, or unknown. */
function sentenceOf(name: GuaranteeName, looks: readonly Look[]): string {
  const verdicts = looks.filter(({ promise }) => promise === name).map(({ verdict }) => verdict);
  const word = verdicts.some((verdict) => verdict === "off" || verdict === "bad")
    ? "OFF"
    : verdicts.includes("unknown")
    ? "CANNOT TELL"
    : "kept";
  return `${word.padEnd(11)}  ${guarantees[name]}`;
}
