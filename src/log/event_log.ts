/**
 * The port to a shard's numbered log.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";

/** Bounds of one read. */
export interface ReadOptions {
  /** Maximum number of entries (an entry is one batch of the store); fewer when they are large, but at least one. */
  readonly entriesMax: number;
  /**
   * Maximum wait for a first entry, ms. With 0, an empty result means that the log ends there, and a log that cannot tell
   * rejects.
   */
  readonly waitMs: number;
  /** Ends the wait; a running call to a server may last for its `waitMs`. */
  readonly signal: AbortSignal;
}

/**
 * Reads a shard's log in the order of its numbers.
 *
 * Guarantees: entries are returned in order and whole; no entry that the log still has is skipped; no entry is at or before
 * `after` in the order of positions, so late entries of an earlier epoch are not returned.
 * Does not guarantee that the log still has the entries after `after`: the ledger finds the gap by the numbers. Stores no
 * position; the cursor is in the ledger.
 */
export interface EventLog {
  /** Entries after `after`, oldest first; empty when none arrived in `waitMs` or `signal` aborted. */
  read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]>;
  /**
   * The last position in this log, in the order of epochs; 0-0 when it is empty. Every position in a log was issued, even
   * if the ledger does not know it: its epoch and number are not issued again.
   */
  tail(shard: number): Promise<Position>;
  /** Closes connections. */
  close(): Promise<void>;
}
