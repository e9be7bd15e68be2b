/**
 * Errors that callers test for with `instanceof`: a server did not answer, or this process must not continue with it.
 *
 * @module
 */

/** The store did not answer. */
export class StoreError extends Error {
  /** For logs; callers test with `instanceof`. */
  override name = "StoreError";
  /**
   * Creates the error.
   *
   * @param code the failure, one word: `connection_lost`, `LOADING`, `OOM`, `script`, `half_done`, …
   * @param effect `none`: the call had no effect; `unknown`: it may have had one; `poison`: no effect, because one command
   *   of the batch cannot be decided
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
 * than `min-replicas-to-write`, a failed save to disk. Each ends with a change of the server.
 */
const writesRefused: ReadonlySet<string> = new Set(["OOM", "NOREPLICAS", "MISCONF"]);

/** Whether the server runs and refuses writes. */
export function refusesWrites(error: unknown): error is StoreError {
  return error instanceof StoreError && writesRefused.has(error.code);
}

/** Codes that end only with a change of rights or keys: a script that threw, a Redis user without the right to run it. */
const forAPerson: ReadonlySet<string> = new Set(["script", "half_done", "no_rights", "NOPERM"]);

/** Whether an error repeats until an operator changes the rights of a Redis user, or a key. */
export function isForAPerson(error: unknown): error is StoreError {
  return error instanceof StoreError && forAPerson.has(error.code);
}

/** A lease is lost: another worker may have the shard. Take a new lease and read the cursor. */
export class LeaseLost extends Error {
  /** For logs; callers test with `instanceof`. */
  override name = "LeaseLost";
  /**
   * Creates the error.
   *
   * @param why the cause, as text
   */
  constructor(why: string, options?: ErrorOptions) {
    super(`Cannot continue with the ledger of a shard as the lease is lost: ${why}`, options);
  }
}

/** The address leads to the ledger of another deployment, or to a database without one. */
export class ForeignLedger extends RangeError {
  /** For logs; callers test with `instanceof`. */
  override name = "ForeignLedger";
  /**
   * Creates the error.
   *
   * @param found id of the deployment in the database; undefined = no ledger there
   */
  constructor(found: string | undefined, expected: string) {
    super(
      `Cannot use the ledger as it belongs to another deployment: ${found ?? "none"} there, ${expected} here`,
    );
  }
}
