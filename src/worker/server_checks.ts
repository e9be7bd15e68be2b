/**
 * Whether a shard may sell on the servers that it has: looked at when it is armed, and again while it sells, because a
 * setting can be changed under way.
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

/** Whose servers, and what is asked of them. */
export interface ServerCheckParts {
  /** The store's side. */
  readonly control: ShardControl;
  /** The shard's books. */
  readonly ledger: ShardLedger;
  /** What to do when a promise is off. */
  readonly durability: Durability;
}

/** Looks at the store's server and the ledger's. */
export async function readChecks({ control, ledger }: ServerCheckParts): Promise<CheckResult[]> {
  const found = await Promise.all([control.checkResults(ledger.shard), ledger.checkResults()]);
  return found.flat();
}

/** `INFO` and `CONFIG GET` take Redis 0.1 ms; a changed setting is reported within this time. */
const lookEveryMs = 3000;

/** What a watch needs beside that. */
export interface FitnessWatchParts extends ServerCheckParts {
  /** Whose stock it is. */
  readonly deployment: Deployment;
  /** Told when a promise is off, or kept again. */
  readonly logger: Logger;
  /** Says when to look. */
  readonly world: World;
  /** Runs the note, which a store may refuse. */
  readonly refusals: Refusals;
  /** Told of every look; left out = nobody is. */
  readonly watch?: WorkerObserver;
}

/** Watches one shard's servers, from its arming to the end of the lease. */
export class FitnessWatch {
  readonly #parts: FitnessWatchParts;
  #noted = "";
  #dueMs: number;
  #silentReplicas = 0;

  /** The first look is due at once: it notes beside the shard what is off. */
  constructor(parts: FitnessWatchParts) {
    this.#parts = parts;
    this.#dueMs = parts.world.elapsedMs();
  }

  /**
   * Looks, when that is due: at once when another number of replicas is silent. Returns the reasons for which the shard must
   * not sell; empty when it may.
   */
  async step({ silentReplicas }: Pick<AckResult, "silentReplicas">): Promise<string[]> {
    const { world, control, ledger: { shard }, deployment, logger, durability, refusals } = this.#parts;
    const nowMs = world.elapsedMs();
    if (nowMs < this.#dueMs && silentReplicas === this.#silentReplicas) return [];
    this.#silentReplicas = silentReplicas;
    this.#dueMs = nowMs + lookEveryMs;
    const checkResults = await readChecks(this.#parts);
    const off = guaranteesOff(checkResults);
    this.#parts.watch?.guaranteesOff(shard, off.length);
    const noted = JSON.stringify(off);
    if (noted !== this.#noted) {
      if (off.length > 0) logger.warn("promises off", { shard, off });
      else if (this.#noted !== "") logger.info("all promises kept again", { shard });
      // A note that is refused is tried again at the next look.
      if (
        await refusals.attempt(() => control.publish(shard, deployment.id, { kind: "promises_off", off }))
      ) {
        this.#noted = noted;
      }
    }
    return refusalsOf(checkResults, durability);
  }
}
