/**
 * The memory of processes, as the system counts it.
 *
 * @module
 */

/** Resident memory of a process, MB. */
function rssMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}

const SAMPLE_MS = 100;

/** A look now and then at the memory of processes. */
export interface MemoryWatch<Name extends string> extends Disposable {
  /** The highest value of each, MB. */
  readonly highest: Readonly<Record<Name, number>>;
  /** How often it has looked. */
  samples(): number;
}

/** Looks at the memory of processes until it is stopped; keeps the highest value of each. */
export function watchMemory<Name extends string>(pids: Readonly<Record<Name, number>>): MemoryWatch<Name> {
  const names = Object.keys(pids) as Name[];
  const highest = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  let samples = 0;
  const timer = setInterval(() => {
    samples++;
    for (const name of names) highest[name] = Math.max(highest[name], rssMb(pids[name]));
  }, SAMPLE_MS);
  return { highest, samples: () => samples, [Symbol.dispose]: () => clearInterval(timer) };
}
