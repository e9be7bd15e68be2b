/**
 * Makes room for the movements to come, and moves those that are older than their retention into opening balances: one
 * step at a time between two batches, so that applying waits 50 ms at most.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** A range has a million numbers or more and is followed by the next when it is half full. */
const extendEveryMs = 10_000;
/** Read in one transaction: 20 to 40 ms. */
const stepNumbers = 20_000;
/** A worker that has just taken a shard catches up with the log first. */
const firstStepMs = 60_000;
/** 100,000 numbers a second, more than a shard sells. */
const nextStepMs = 200;
const nextWalkMs = 3_600_000;

/** Looks after one shard's movements. */
export class MovementRetention {
  readonly #ledger: Pick<ShardLedger, "extendRanges" | "foldMovements">;
  readonly #world: World;
  readonly #retentionMs: number;
  #extendMs: number;
  #foldMs: number;

  /** @param retentionMs 0 = for ever */
  constructor(
    ledger: Pick<ShardLedger, "extendRanges" | "foldMovements">,
    world: World,
    retentionMs: number,
  ) {
    this.#ledger = ledger;
    this.#world = world;
    this.#retentionMs = retentionMs;
    this.#extendMs = world.elapsedMs() + extendEveryMs;
    this.#foldMs = world.elapsedMs() + firstStepMs;
  }

  /** Takes the step that is due, if one is. Returns how many numbers went into opening balances. */
  async step(): Promise<number> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs >= this.#extendMs) {
      this.#extendMs = nowMs + extendEveryMs;
      await this.#ledger.extendRanges();
    }
    if (this.#retentionMs === 0 || nowMs < this.#foldMs) return 0;
    const folded = await this.#ledger.foldMovements(this.#retentionMs, stepNumbers);
    this.#foldMs = nowMs + (folded ? nextStepMs : nextWalkMs);
    return folded?.numbers ?? 0;
  }
}
