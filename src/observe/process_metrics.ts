/**
 * What a process costs, and how late it is: CPU, memory, and the delay of its event loop.
 *
 * @module
 */
import process from "node:process";
import type { Cancel, World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import { figure, type Meter } from "./meter.ts";

/** How often the event loop is measured, ms: 50 times a second cost 0.1 % of a core. */
const sampleEveryMs = 20;
/** Samples kept between two reports, which are 10 s apart. */
const samplesMax = 1000;

/** Reports on this process until it is stopped. Returns how to stop. */
export function watchProcess(world: World, meter: Meter): Cancel {
  const delays = new LoopDelays(world);
  meter.observe(instruments.cpuTime, () => {
    const { user, system } = process.cpuUsage();
    return [
      { value: user / 1e6, labels: { "cpu.mode": "user" } },
      { value: system / 1e6, labels: { "cpu.mode": "system" } },
    ];
  });
  meter.observe(instruments.memory, () => figure(Deno.memoryUsage().rss));
  meter.observe(instruments.loopDelayP99, () => figure(delays.percentile(0.99) / 1000));
  meter.observe(instruments.loopDelayMax, () => {
    const maxMs = delays.percentile(1);
    delays.reset(); // the last to be read of a report
    return figure(maxMs / 1000);
  });
  return () => delays.stop();
}

/** How late a timer fires. */
class LoopDelays {
  readonly #world: World;
  #samplesMs: number[] = [];
  #cancel: Cancel;

  constructor(world: World) {
    this.#world = world;
    this.#cancel = this.#next();
  }

  /** Of the delays since the last reset, ms; 0 without any. */
  percentile(share: number): number {
    const sorted = this.#samplesMs.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  }

  reset(): void {
    this.#samplesMs = [];
  }

  stop(): void {
    this.#cancel();
  }

  #next(): Cancel {
    const dueMs = this.#world.elapsedMs() + sampleEveryMs;
    return this.#world.after(sampleEveryMs, () => {
      if (this.#samplesMs.length < samplesMax) {
        this.#samplesMs.push(Math.max(0, this.#world.elapsedMs() - dueMs));
      }
      this.#cancel = this.#next();
    });
  }
}
