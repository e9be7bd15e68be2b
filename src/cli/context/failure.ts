/**
 * Failures of verbs, and exit codes.
 *
 * @module
 */

/** Exit codes of the command line. */
export const exits = { ok: 0, failed: 1, usage: 2 } as const;

/** A verb that cannot continue. Its message is for the operator, without a stack trace. */
export class Failure extends Error {
  override name = "Failure";

  /**
   * @param code `failed` for a refusal or an error, `usage` for a wrong command line
   */
  constructor(message: string, readonly code: "failed" | "usage" = "failed", options?: ErrorOptions) {
    super(message, options);
  }
}
