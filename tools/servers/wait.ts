/**
 * Waiting for something to become true, with a deadline instead of a hopeful sleep.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

// Short beside the fastest server start here (15 ms for Redis), long beside one look at a condition.
const POLL_MS = 15;

/** How long to wait, and the words for the error. */
export interface WaitOptions {
  /** Measured from the call. */
  readonly deadlineMs: number;
  /** What is waited for, as it reads after "Waited 500 ms in vain for". */
  readonly what: string;
}

/**
 * Returns as soon as `condition` holds. A condition that throws counts as "not yet", because a server
 * that restarts refuses connections first; the last error is the cause of the one thrown at the deadline.
 */
export async function waitFor(
  condition: () => Promise<boolean> | boolean,
  { deadlineMs, what }: WaitOptions,
): Promise<void> {
  const startedMs = performance.now();
  let lastError: unknown;
  while (true) {
    const leftMs = deadlineMs - (performance.now() - startedMs);
    if (leftMs <= 0) throw new Error(`Waited ${deadlineMs} ms in vain for ${what}`, { cause: lastError });
    try {
      if (await within(leftMs, condition)) return;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await sleep(POLL_MS);
  }
}

/** Asks once, but not longer than `limitMs`: a frozen server would never answer. */
async function within(limitMs: number, condition: () => Promise<boolean> | boolean): Promise<boolean> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, limitMs);
  try {
    return await Promise.race([condition(), limit.promise]) ?? false;
  } finally {
    clearTimeout(timer);
  }
}
