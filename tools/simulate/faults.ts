/**
 * Faults of a run: which ones, and when. All of them are in a list, so that a failing run can be shrunk.
 *
 * @module
 */
import { Chance } from "./scheduler.ts";

/** Every fault, and how many of it a run has when its regime is on. */
const kinds = {
  "lose-request": 12,
  "lose-reply": 12,
  "delay": 15,
  "double": 10,
  "api-crash": 3,
  "worker-crash": 4,
  "worker-freeze": 5,
  "store-restart": 4,
  "store-slow-disk": 6,
  "store-flush": 2,
  "store-clock": 2,
  "ledger-refuses": 2,
  "ledger-goes-back": 1,
} as const;

/** The name of a fault. */
export type FaultKind = keyof typeof kinds;

/** All names. */
export const faultKinds = Object.keys(kinds) as FaultKind[];

/** A fault at a time. */
export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** In [0, 1): what the fault decides by, for example how long it lasts. */
  readonly dice: number;
}

/** No fault begins after this, ms of virtual time. */
export const faultsEndMs = 20_000;

/** The faults of a seed: each kind is on in 30 % of the runs. */
export function faultsOf(seed: number): Fault[] {
  const chance = new Chance(seed, 2);
  const faults: Fault[] = [];
  for (const kind of faultKinds) {
    const isOn = chance.isHit(0.3);
    for (let i = 0; i < kinds[kind]; i++) {
      const fault = { atMs: chance.between(200, faultsEndMs), kind, dice: chance.next() };
      if (isOn) faults.push(fault);
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** A fault as a line for people. */
export function describeFault({ atMs, kind, dice }: Fault): string {
  return `${String(atMs).padStart(6)} ms  ${kind} (${dice.toFixed(3)})`;
}
