/**
 * Deletes order lines that are older than anybody may ask for, a page at a time and between two batches, so that
 * applying waits for it a few ms at most.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** Rows looked at in one transaction: 10 to 20 ms. */
const pageRows = 1000;
/** A worker that has just taken a shard applies its log first. */
const firstWalkMs = 60_000;
/** Between two pages. 5000 lines a second is 430 million a day, more than a shard sells. */
const nextPageMs = 200;
/** Between two walks through the lines. */
const nextWalkMs = 3_600_000;
const start = { seq: 0, line: -1 };

/** Walks through a shard's oldest lines, again every hour. */
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

  /** Deletes out of one page, when one is due. Returns how many lines. */
  async step(): Promise<number> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#dueMs) return 0;
    const page = await this.#ledger.forgetLines(this.#retentionMs, this.#after, pageRows);
    this.#after = page?.last ?? start;
    this.#dueMs = nowMs + (page ? nextPageMs : nextWalkMs);
    return page?.lines ?? 0;
  }
}
