/**
 * Default clock and random numbers. The rest of the client uses only these two, so that tests can replace both.
 *
 * @module
 */

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Uniform in [0, 1). */
export type Random = () => number;

/** `Math.random`. */
export function realRandom(): number {
  return Math.random();
}

/** Waits with a timer. */
export function realSleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
