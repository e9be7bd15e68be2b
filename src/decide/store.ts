/**
 * The port to the store, which decides orders.
 *
 * @module
 */
import type { Command } from "../domain/command.ts";
import type { Decided } from "../domain/outcome.ts";

/** A command with its deadline. */
export interface Timed {
  /** What is asked; all commands of a batch belong to the same shard. */
  readonly command: Command;
  /** Milliseconds since 1970 on the store's clock; past it the store refuses with `late`. */
  readonly deadlineMs: number;
}

/** The batch again, with deadlines by the clock of a server that is new to the caller, from its time now. */
export type Retime = (timeMs: number) => readonly Timed[];

/** The result of a batch. */
export type BatchResult =
  | {
    readonly kind: "decided";
    /** The store's clock, milliseconds since 1970. */
    readonly timeMs: number;
    /** The last number issued in the shard's log: the outcomes depend on the log up to it. */
    readonly head: number;
    /** One a command, in order. */
    readonly outcomes: readonly Decided[];
    /** More reservations have expired than one call returns: the next call, even an empty one, continues. */
    readonly isMoreDue: boolean;
  }
  /** The shard has not been verified since its server started or changed: nothing was done. */
  | {
    readonly kind: "unarmed";
    readonly timeMs: number;
    /** Why, as the end of a sentence; left out when unknown. Without SKUs and stock. */
    readonly reason?: string;
  };

/**
 * Decides commands.
 *
 * Guarantees: a batch is decided in order and atomically with its events, nothing or all; a line is
 * accepted at most once; an accepted line's event is in the shard's log when the answer arrives.
 * Does not guarantee an answer: {@link StoreError} says whether a batch may have taken effect.
 */
export interface StockStore {
  /**
   * Decides a batch of one shard. An empty batch is a probe: it checks the arming and returns the store's time.
   *
   * The store calls `retime` before it decides anything in an epoch that is new to it: after a failover another server
   * decides, whose clock may differ. Without `retime` the deadlines of the batch count there as they are.
   *
   * @throws {StoreError}
   */
  decide(shard: number, batch: readonly Timed[], retime?: Retime): Promise<BatchResult>;
  /**
   * Guarantees that the shard's servers do not keep, as text, as last published by the shard's worker; empty when it
   * has published nothing. One more when the caller's limits are not those by which the shard decides.
   *
   * @throws {StoreError}
   */
  guaranteesOff(shard: number): Promise<readonly string[]>;
  /** Closes connections. Calls still on their way reject. */
  close(): Promise<void>;
}
