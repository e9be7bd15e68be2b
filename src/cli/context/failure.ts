/**
 * How a verb ends when it does not end well, and with which exit code.
 *
 * @module
 */

/** Exit codes of the command line. */
export const exits = { ok: 0, failed: 1, usage: 2 } as const;

/** A verb that cannot go on. Its message is for the operator: no stack trace follows it. */
export class Failure extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "Failure";

  /**
   * Makes one.
   *
   * @param code `failed` for what was refused or broke, `usage` for what was asked wrongly
   */
  constructor(message: string, readonly code: "failed" | "usage" = "failed", options?: ErrorOptions) {
    super(message, options);
  }
}
