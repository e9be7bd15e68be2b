/**
 * The lag of the ledger, read only while the live page has viewers.
 *
 * @module
 */
import type { Progress } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** An older result is reported as unknown. */
const staleAfterMs = 5000;

export interface ProgressSource {
  /** All shards, by number; empty before the ledger was prepared. */
  progress(): Promise<readonly Progress[]>;
}

/** Number of a shard's events that are not applied yet. */
export interface ShardLag {
  readonly shard: number;
  readonly lag: number;
}

export interface LedgerLag {
  /** By shard; null = unknown: there is no ledger here, or it does not answer. */
  readonly lags: readonly ShardLag[] | null;
  /** Events that wait for an operator; null = unknown. */
  readonly deadLetters: number | null;
}

const unknown: LedgerLag = { lags: null, deadLetters: null };

/** Reads the ledger's progress, one call at a time. */
export class LagReader {
  readonly #ledger: ProgressSource | null;
  readonly #world: World;
  readonly #heads = new Map<number, number>();
  #asking = false;
  #answer: readonly Progress[] = [];
  #answeredAtMs = -Infinity;

  /** `ledger` is null where there is none. */
  constructor(ledger: ProgressSource | null, world: World) {
    this.#ledger = ledger;
    this.#world = world;
  }

  /** A number that was issued by this process. It counts as lag even if no worker has recorded it. */
  saw(shard: number, seq: number): void {
    if (seq > (this.#heads.get(shard) ?? 0)) this.#heads.set(shard, seq);
  }

  /** Reads, unless the last call is still open. Never rejects: after a failure the lag is unknown. */
  async ask(): Promise<void> {
    if (this.#ledger === null || this.#asking) return;
    this.#asking = true;
    try {
      this.#answer = await this.#ledger.progress();
      this.#answeredAtMs = this.#world.elapsedMs();
    } catch {
      this.#answeredAtMs = -Infinity;
    } finally {
      this.#asking = false;
    }
  }

  current(): LedgerLag {
    const isStale = this.#world.elapsedMs() - this.#answeredAtMs > staleAfterMs;
    if (isStale || this.#answer.length === 0) return unknown;
    return {
      lags: this.#answer.map(({ shard, seq, recordedHead }) => {
        const head = Math.max(recordedHead, this.#heads.get(shard) ?? 0);
        return { shard, lag: Math.max(0, head - seq) };
      }),
      deadLetters: this.#answer.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    };
  }
}
