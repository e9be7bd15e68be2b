/**
 * Time and random numbers, passed in everywhere so that a simulation can control them. No other file reads the system's
 * clock, timers, random numbers or ids (checked by `tests/tidy_test.ts`), except `client/src/defaults.ts` and code for the
 * browser.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** Cancels a timer. Calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void;

/** Clock, timers and random numbers of one process. */
export interface World {
  /** Wall clock, milliseconds since 1970. May step; for durations use {@link World.elapsedMs}. */
  now(): number;
  /** Monotonic milliseconds since some fixed point; never steps. */
  elapsedMs(): number;
  /** Runs `fn` once, `ms` from now. */
  after(ms: number, fn: () => void): Cancel;
  /** Runs `fn` once, when all that the event loop has at hand has been handled: 10 µs, where a timer takes 1 ms. */
  afterTurn(fn: () => void): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** A fresh UUID. */
  uuid(): string;
}

let turn: (() => void)[] = [];

/** One callback for all: what batchers of several shards send goes out in one write. */
function endTurn(): void {
  const ending = turn;
  turn = [];
  for (const fn of ending) queueMicrotask(fn); // one that throws does not keep the others
}

/** The system's clock and random numbers. */
export const realWorld: World = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(ms, fn) {
    const id = setTimeout(fn, ms);
    return () => clearTimeout(id);
  },
  afterTurn(fn) {
    if (turn.push(fn) === 1) setImmediate(endTurn);
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
      release?.();
      resolve();
    };
    const cancel = world.after(ms, done);
    const release = signal && onAbort(signal, done);
  });
}

const waiting = new WeakMap<AbortSignal, (() => void)[]>();

/**
 * Calls `fn` once when `signal` aborts, unless cancelled before. For a signal that lives long, as a listener for each wait
 * kept what it leads to alive until the next full garbage collection: an abort signal holds listeners in a set, and each of
 * the tables of a set leads to the next.
 */
export function onAbort(signal: AbortSignal, fn: () => void): Cancel {
  let calls = waiting.get(signal);
  if (!calls) {
    const all: (() => void)[] = calls = [];
    waiting.set(signal, all);
    signal.addEventListener("abort", () => all.splice(0).forEach((call) => call()), { once: true });
  }
  const all = calls;
  all.push(fn);
  return () => {
    const index = all.indexOf(fn);
    if (index >= 0) all.splice(index, 1);
  };
}
