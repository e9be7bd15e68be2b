/**
 * A world whose time stands still until a test moves it.
 */
import type { Cancel, World } from "../src/runtime/world.ts";

/** Time that only {@link ManualWorld.advance} moves, and dice that always fall the same. */
export class ManualWorld implements World {
  #nowMs = 1_000_000;
  #timers: { atMs: number; fn: () => void }[] = [];
  #ids = 0;
  /** How often {@link afterTurn} was called. */
  turns = 0;

  now(): number {
    return this.#nowMs;
  }

  elapsedMs(): number {
    return this.#nowMs;
  }

  after(ms: number, fn: () => void): Cancel {
    const timer = { atMs: this.#nowMs + ms, fn };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  afterTurn(fn: () => void): void {
    this.turns++;
    queueMicrotask(fn);
  }

  random(): number {
    return 0.5;
  }

  uuid(): string {
    return `00000000-0000-4000-8000-${String(++this.#ids).padStart(12, "0")}`;
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Moves time on and runs what falls due, in order; then lets promises settle. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.fn();
      await settled();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

/** Lets every promise that can settle do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
