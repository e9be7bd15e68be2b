/**
 * What a worker notes beside a shard, for those who ask how it stands.
 *
 * @module
 */
import type { ShardControl, ShardStatus } from "../decide/shard_control.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { Logger } from "../runtime/logger.ts";

/** Whose shard, and how to reach it. */
export interface NoteParts {
  /** The store's side. */
  readonly control: ShardControl;
  /** Whose stock it is. */
  readonly deployment: Deployment;
  /** The shard's books. */
  readonly ledger: ShardLedger;
}

/** Notes one thing. A server that takes no note is judged by what follows. */
export async function publishBeside(
  { control, deployment, ledger }: NoteParts,
  note: ShardStatus,
): Promise<void> {
  await control.publish(ledger.shard, deployment.id, note).catch(() => {});
}

/** What {@link publishLogWay} needs beside that. */
export interface LogWayParts extends NoteParts {
  /** Told when the log was read in another place before. */
  readonly logger: Logger;
  /** Where this worker reads the log; undefined while nobody can tell. */
  readonly logWay?: () => Promise<string | undefined>;
}

/**
 * Workers with other brokers would book from another topic: the one that takes a shard over says so.
 *
 * @param before where the worker before read the log; empty when it is not known
 */
export async function publishLogWay(parts: LogWayParts, before: string): Promise<void> {
  const way = await parts.logWay?.();
  if (way === undefined || way === before) return;
  if (before !== "") {
    const mend = "set the same KAFKA_BROKERS for every worker";
    parts.logger.warn("log is read in another place than before", {
      shard: parts.ledger.shard,
      before,
      now: way,
      mend,
    });
  }
  await publishBeside(parts, { kind: "log_way", way });
}

/** Why a shard was refused, as anybody may read it: no SKU, no figure. */
export function reasonOf(
  { reason, driftUnits }: { readonly reason: string; readonly driftUnits: number },
): string {
  return driftUnits === 0 ? reason : "store and ledger differ: the worker's log names the SKUs";
}
