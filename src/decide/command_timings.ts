/**
 * Timings of one command: when it was queued, sent and answered. Not allocated unless an observer is attached.
 *
 * Only references and clock readings that were taken anyway are kept, so that noting costs an order no more than the
 * object itself. All times are {@link World.elapsedMs}.
 *
 * @module
 */
import type { Command } from "../domain/command.ts";
import type { Outcome } from "../domain/outcome.ts";

/** One call to a store. All commands that left together share it. */
export interface StoreCall {
  /** Counts the calls of this process. */
  readonly id: number;
  /** Which shard was called. */
  readonly shard: number;
  /** Commands that left together. */
  readonly size: number;
  /** When it left. */
  readonly sentAtMs: number;
  /** When its answer came; 0 = not yet. */
  answeredAtMs: number;
  /** What kept it from being answered, in one word; empty when it was. */
  error: string;
}

/** The way of one command. */
export class CommandTimings {
  /** When it was asked. */
  askedAtMs = 0;
  /** Whether the sold-out cache answered. */
  isFromCache = false;
  /** When it began to wait for a call; 0 = never. */
  queuedAtMs = 0;
  /** The call that took it to the store; null = none did. A command for all shards keeps the last. */
  call: StoreCall | null = null;
  /** When its outcome was known; 0 = not yet. */
  settledAtMs = 0;
  /** What became of it; null = not yet. */
  outcome: Outcome | null = null;
  /** The response as one word: `accepted`, `replayed`, or the code of the refusal. */
  result = "";
  /** Whether that was an error of ours: HTTP status 500 and above. */
  failed = false;

  /** Nothing has happened yet. */
  constructor(readonly command: Command) {}
}
