/**
 * Checks whether a shard may sell on its servers: when it is armed, and again while it sells, because a setting can
 * change at run time.
 *
 * @module
 */
import { type CheckResult, type Durability, guaranteesOff, refusalsOf } from "../domain/check_result.ts";
import type { AckResult, ShardControl } from "../decide/shard_control.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { Logger } from "../runtime/logger.ts";
import type { World } from "../runtime/world.ts";
import type { Refusals } from "./refusals.ts";
import type { WorkerObserver } from "./observer.ts";

export interface ServerCheckParts {
  readonly control: ShardControl;
  readonly ledger: ShardLedger;
  /** What to do when a guarantee is off. */
  readonly durability: Durability;
}

/** Checks the store's server and the ledger's. */
export async function readChecks({ control, ledger }: ServerCheckParts): Promise<CheckResult[]> {
  const found = await Promise.all([control.checkResults(ledger.shard), ledger.checkResults()]);
  return found.flat();
}

/** `INFO` and `CONFIG GET` take Redis 0.1 ms. A changed setting is reported within this time. */
const checkEveryMs = 3000;

export interface ServerCheckMonitorParts extends ServerCheckParts {
  readonly deployment: Deployment;
  readonly logger: Logger;
  readonly world: World;
  /** Runs the publishing, which a store may refuse. */
  readonly refusals: Refusals;
  readonly observer?: WorkerObserver;
}

/** Checks one shard's servers every 3 s, from its arming to the end of the lease. */
export class ServerCheckMonitor {
  readonly #parts: ServerCheckMonitorParts;
  #published = "";
  #dueMs: number;
  #silentReplicas = 0;

  /** The first check is due at once: it publishes with the shard which guarantees are off. */
  constructor(parts: ServerCheckMonitorParts) {
    this.#parts = parts;
    this.#dueMs = parts.world.elapsedMs();
  }

  /**
   * Checks when due, and at once when the number of silent replicas changes.
   *
   * @returns why the shard must stop selling; empty when it may continue
   */
  async step({ silentReplicas }: Pick<AckResult, "silentReplicas">): Promise<string[]> {
    const { world, control, ledger: { shard }, deployment, logger, durability, refusals } = this.#parts;
    const nowMs = world.elapsedMs();
    if (nowMs < this.#dueMs && silentReplicas === this.#silentReplicas) return [];
    this.#silentReplicas = silentReplicas;
    this.#dueMs = nowMs + checkEveryMs;
    const checkResults = await readChecks(this.#parts);
    const off = guaranteesOff(checkResults);
    this.#parts.observer?.guaranteesOff(shard, off.length);
    const published = JSON.stringify(off);
    if (published !== this.#published) {
      if (off.length > 0) logger.warn("guarantees off", { shard, off });
      else if (this.#published !== "") logger.info("all guarantees kept again", { shard });
      // Refused: tried again at the next check.
      if (
        await refusals.attempt(() => control.publish(shard, deployment.id, { kind: "promises_off", off }))
      ) {
        this.#published = published;
      }
    }
    return refusalsOf(checkResults, durability);
  }
}
