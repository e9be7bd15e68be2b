/**
 * Waiting for something to become true, with a deadline instead of a hopeful sleep.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

// Short against the fastest server start here (15 ms for Redis), long against one check of a condition.
const POLL_MS = 15;
/** For the last look, which comes after the deadline. */
const LAST_LOOK_MS = 50;
/** Most characters of a text in an error. */
const SEEN_MAX = 2_000;

/** How long to wait, and the words for the error. */
export interface WaitOptions {
  /** Measured from the call. */
  readonly deadlineMs: number;
  /** What is waited for, as it reads after "Waited 500 ms for". */
  readonly what: string;
  /** What the condition looked at last, for the error. */
  readonly seen?: () => unknown;
}

/**
 * Returns as soon as `condition` holds. A condition that throws counts as "not yet", because a server
 * that restarts refuses connections first; the last error is the cause of the one thrown at the deadline.
 *
 * It is asked once more after the deadline: on a busy machine this process may not have run since the last time.
 */
export async function waitFor(
  condition: () => Promise<boolean> | boolean,
  { deadlineMs, what, seen }: WaitOptions,
): Promise<void> {
  const startedMs = performance.now();
  let lastError: unknown;
  for (let asked = 1;; asked++) {
    const leftMs = deadlineMs - (performance.now() - startedMs);
    try {
      if (await within(Math.max(leftMs, LAST_LOOK_MS), condition)) return;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (leftMs <= 0) {
      const saw = seen ? `: saw ${Deno.inspect(seen(), { depth: 6, strAbbreviateSize: SEEN_MAX })}` : "";
      const why = lastError instanceof Error ? `: ${lastError.message}` : "";
      const message = `Waited ${deadlineMs} ms for ${what}, asked ${asked} times${saw}${why}`;
      throw new Error(message, { cause: lastError });
    }
    await sleep(Math.min(POLL_MS, Math.max(0, deadlineMs - (performance.now() - startedMs))));
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
