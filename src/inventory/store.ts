/**
 * The port to the place where orders are decided.
 *
 * @module
 */
import type { Command } from "./command.ts";
import type { Decided } from "./outcome.ts";

/** A command and until when it may take effect. */
export interface Timed {
  /** What is asked; all commands of a batch belong to the same shard. */
  readonly command: Command;
  /** Milliseconds since 1970 on the store's clock; past it the store refuses with `late`. */
  readonly deadlineMs: number;
}

/** What became of a batch. */
export type BatchResult =
  | {
    readonly kind: "decided";
    /** The store's clock, milliseconds since 1970. */
    readonly timeMs: number;
    /** The last number issued in the shard's log: what these answers depend on. */
    readonly head: number;
    /** One a command, in order. */
    readonly outcomes: readonly Decided[];
    /** More reservations have lapsed than one call gives back: the next call, an empty one too, goes on. */
    readonly isMoreDue: boolean;
  }
  /** The shard has not been verified since its server started or changed: nothing was done. */
  | {
    readonly kind: "unarmed";
    readonly timeMs: number;
    /** Why, as the end of a sentence; left out when nobody could say. Names no SKU and no figure. */
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
   * Decides a batch of one shard. An empty batch is a probe: it checks the arming and tells the time.
   *
   * @throws {StoreError}
   */
  decide(shard: number, batch: readonly Timed[]): Promise<BatchResult>;
  /**
   * Promises that the shard's servers do not keep, in words, as the shard's worker noted them last; empty when it has
   * noted nothing. One more when the caller's limits are not those by which the shard decides.
   *
   * @throws {StoreError}
   */
  promisesOff(shard: number): Promise<readonly string[]>;
  /** Closes connections. Calls still on their way reject. */
  close(): Promise<void>;
}

/** The store gave no answer. */
export class StoreError extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "StoreError";
  /**
   * Says what failed and what it may have done.
   *
   * @param code what failed, in one word: `connection_lost`, `LOADING`, `OOM`, `script`, `half_done`, …
   * @param effect `none`: certainly nothing was done; `unknown`: it may have been;
   *   `poison`: nothing was done, because one command of the batch cannot be decided at all
   */
  constructor(
    readonly code: string,
    readonly effect: "none" | "unknown" | "poison",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Codes with which a server that is up refuses writes and still answers reads: memory above `maxmemory`, fewer replicas
 * than `min-replicas-to-write`, a failed save to disk. Each ends when somebody changes the server.
 */
const writesRefused: ReadonlySet<string> = new Set(["OOM", "NOREPLICAS", "MISCONF"]);

/** Whether the server is up and refuses writes. */
export function refusesWrites(error: unknown): error is StoreError {
  return error instanceof StoreError && writesRefused.has(error.code);
}

/** Codes that only a change of rights or of keys ends: a script that threw, a Redis user who may not run it. */
const forAPerson: ReadonlySet<string> = new Set(["script", "half_done", "no_rights", "NOPERM"]);

/** Whether an error repeats until a person has changed the rights of a Redis user, or a key. */
export function isForAPerson(error: unknown): error is StoreError {
  return error instanceof StoreError && forAPerson.has(error.code);
}
