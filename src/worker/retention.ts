/**
 * Deletes order lines that are older than the retention, one page at a time between two batches, so that applying waits
 * a few ms at most.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** Rows read in one transaction: 10 to 20 ms. */
const pageRows = 1000;
/** A worker that has just taken a shard catches up with the log first. */
const firstWalkMs = 60_000;
/** 5000 lines a second is 430 million a day, more than a shard sells. */
const nextPageMs = 200;
const nextWalkMs = 3_600_000;
const start = { seq: 0, line: -1 };

/** Walks through a shard's oldest lines once an hour. */
export class Retention {
  readonly #ledger: Pick<ShardLedger, "forgetLines">;
  readonly #world: World;
  readonly #retentionMs: number;
  #after = start;
  #dueMs: number;

  /** The first page is due in a minute. */
  constructor(ledger: Pick<ShardLedger, "forgetLines">, world: World, retentionMs: number) {
    this.#ledger = ledger;
    this.#world = world;
    this.#retentionMs = retentionMs;
    this.#dueMs = world.elapsedMs() + firstWalkMs;
  }

  /** Deletes the expired lines of one page, when one is due. Returns their number. */
  async step(): Promise<number> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#dueMs) return 0;
    const page = await this.#ledger.forgetLines(this.#retentionMs, this.#after, pageRows);
    this.#after = page?.last ?? start;
    this.#dueMs = nowMs + (page ? nextPageMs : nextWalkMs);
    return page?.lines ?? 0;
  }
}
