/**
 * The status that a worker publishes with a shard, for readiness, the live page and operators.
 *
 * @module
 */
import type { ShardControl, ShardStatus } from "../decide/shard_control.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { Logger } from "../runtime/logger.ts";

export interface StatusParts {
  readonly control: ShardControl;
  readonly deployment: Deployment;
  readonly ledger: ShardLedger;
}

/** Publishes a status. A failure is ignored: the calls that follow report it. */
export async function publishStatus(
  { control, deployment, ledger }: StatusParts,
  status: ShardStatus,
): Promise<void> {
  await control.publish(ledger.shard, deployment.id, status).catch(() => {});
}

export interface LogWayParts extends StatusParts {
  readonly logger: Logger;
  /** Where this worker reads the log; undefined while that is unknown. */
  readonly logWay?: () => Promise<string | undefined>;
}

/**
 * Publishes where this worker reads the log. A worker with other brokers applies another topic: the worker that takes a
 * shard over logs the difference.
 *
 * @param before where the previous worker read the log; empty when that is unknown
 */
export async function publishLogWay(parts: LogWayParts, before: string): Promise<void> {
  const way = await parts.logWay?.();
  if (way === undefined || way === before) return;
  if (before !== "") {
    const mend = "set the same KAFKA_BROKERS for every worker";
    parts.logger.warn("log source differs from the previous worker's", {
      shard: parts.ledger.shard,
      before,
      now: way,
      mend,
    });
  }
  await publishStatus(parts, { kind: "log_way", way });
}

/** The published reason of a refusal. It is readable without a token, so it contains no SKU and no stock value. */
export function reasonOf(
  { reason, driftUnits }: { readonly reason: string; readonly driftUnits: number },
): string {
  return driftUnits === 0 ? reason : "store and ledger differ: the worker's log names the SKUs";
}
