/**
 * How long the event loop of this process was not free: by its own work, or because the machine was busy.
 *
 * @module
 */
import process from "node:process";

const TICK_MS = 10;

/** What has been seen since it was started. Disposing of it ends it. */
export interface LoopWatch extends Disposable {
  /** The longest time that this process computed without a pause, ms: it had a core meanwhile. */
  blockedMs(): number;
  /** All the time that timers came too late, whatever the reason, ms. */
  stalledMs(): number;
}

/** Watches it from now on. */
export function watchLoop(): LoopWatch {
  let [lastMs, lastCpuMs, blockedMs, stalledMs] = [performance.now(), cpuMs(), 0, 0];
  const tick = () => {
    const [nowMs, nowCpuMs] = [performance.now(), cpuMs()];
    blockedMs = Math.max(blockedMs, Math.min(nowMs - lastMs, nowCpuMs - lastCpuMs));
    stalledMs += Math.max(0, nowMs - lastMs - 2 * TICK_MS);
    [lastMs, lastCpuMs] = [nowMs, nowCpuMs];
  };
  const timer = setInterval(tick, TICK_MS);
  return {
    blockedMs: () => (tick(), blockedMs),
    stalledMs: () => (tick(), stalledMs),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
