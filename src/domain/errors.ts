/**
 * Errors that callers test for with `instanceof`: a server gave no answer, or this process may not go on with it.
 *
 * @module
 */

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

/** A lease is gone: another worker may have the shard. Take a new lease and read the cursor. */
export class LeaseLost extends Error {
  /** Says what kind of error this is where classes do not reach: in logs. */
  override name = "LeaseLost";
  /**
   * Makes one.
   *
   * @param why the cause, as text
   */
  constructor(why: string, options?: ErrorOptions) {
    super(`Cannot go on with the books of a shard as the lease is lost: ${why}`, options);
  }
}

/** The address leads to the ledger of another deployment, or to a database without one. */
export class ForeignLedger extends RangeError {
  /** What logs show; callers test with `instanceof`. */
  override name = "ForeignLedger";
  /**
   * Names both.
   *
   * @param found the deployment's id there; undefined = no ledger there
   */
  constructor(found: string | undefined, expected: string) {
    super(
      `Cannot use the ledger as it belongs to another deployment: ${found ?? "none"} there, ${expected} here`,
    );
  }
}
