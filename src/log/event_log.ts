/**
 * The port to a shard's numbered log.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";

/** Bounds of one read. */
export interface ReadOptions {
  /** Most entries to return (an entry is one batch of the store); fewer when they are large, but at least one. */
  readonly entriesMax: number;
  /**
   * How long to wait for a first entry, ms; 0 = not at all: then no entry says that the log ends there, and a log that
   * cannot know rejects.
   */
  readonly waitMs: number;
  /** Ends the wait; a call to a server that already waits may run out its `waitMs`. */
  readonly signal: AbortSignal;
}

/**
 * Reads a shard's log in the order of its numbers.
 *
 * Guarantees: entries come in order, each whole, none skipped among those that the log still has, none before `after`
 * in the order of positions: what an epoch that is over leaves behind late is not read.
 * Does not guarantee that the log still has what follows `after`: the ledger finds the gap by the
 * numbers. Keeps no position of its own; the cursor lives in the ledger.
 */
export interface EventLog {
  /** Entries after `after`, oldest first; empty when none arrived in `waitMs` or `signal` aborted. */
  read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]>;
  /**
   * The last position that this log has, in the order of epochs; 0-0 when it has nothing. What it has was issued, also
   * when the ledger does not know it: its epoch and number are not issued again.
   */
  tail(shard: number): Promise<Position>;
  /** Closes connections. */
  close(): Promise<void>;
}
