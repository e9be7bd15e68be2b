/**
 * Time and chance, passed in everywhere so that a simulation can own them: no other file asks the
 * system for the time, a timer, a random number or an id (held by `tests/tidy_test.ts`), but for the client's
 * own `client/src/defaults.ts` and what runs in a browser.
 *
 * @module
 */

/** Undoes a timer. Calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void;

/** The clock, timers and chance of one process. */
export interface World {
  /** Wall clock, milliseconds since 1970. May step; for durations use {@link World.elapsedMs}. */
  now(): number;
  /** Monotonic milliseconds since some fixed point; never steps. */
  elapsedMs(): number;
  /** Runs `fn` once, `ms` from now. */
  after(ms: number, fn: () => void): Cancel;
  /** Uniform in [0, 1). */
  random(): number;
  /** A fresh UUID. */
  uuid(): string;
}

/** The real clock and the real dice. */
export const realWorld: World = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(ms, fn) {
    const id = setTimeout(fn, ms);
    return () => clearTimeout(id);
  },
  random: () => Math.random(),
  uuid: () => crypto.randomUUID(),
};

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
export function sleep(world: World, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = world.after(ms, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}
