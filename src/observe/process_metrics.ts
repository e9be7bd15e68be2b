/**
 * Metrics of the process: CPU, memory, and the delay of its event loop.
 *
 * @module
 */
import process from "node:process";
import type { Cancel, World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import { type Meter, single } from "./meter.ts";

/** Interval of measurements of the event loop, ms: 50 a second take 0.1 % of a core. */
const sampleEveryMs = 20;
/** Maximum number of samples between two reports, which are 10 s apart. */
const samplesMax = 1000;

/** Reports on this process. @returns stops it */
export function watchProcess(world: World, meter: Meter): Cancel {
  const delays = new LoopDelays(world);
  meter.observe(instruments.cpuTime, () => {
    const { user, system } = process.cpuUsage();
    return [
      { value: user / 1e6, labels: { "cpu.mode": "user" } },
      { value: system / 1e6, labels: { "cpu.mode": "system" } },
    ];
  });
  meter.observe(instruments.memory, () => single(Deno.memoryUsage().rss));
  meter.observe(instruments.loopDelayP99, () => single(delays.percentile(0.99) / 1000));
  meter.observe(instruments.loopDelayMax, () => {
    const maxMs = delays.percentile(1);
    delays.reset(); // the last to be read of a report
    return single(maxMs / 1000);
  });
  return () => delays.stop();
}

class LoopDelays {
  readonly #world: World;
  #samplesMs: number[] = [];
  #cancel: Cancel;

  constructor(world: World) {
    this.#world = world;
    this.#cancel = this.#next();
  }

  /** Percentile of the delays since the last reset, ms; 0 without any. */
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
