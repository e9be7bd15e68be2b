/**
 * Faults of a run: which ones, and when. All of them are in a list, so that a failing run can be shrunk.
 *
 * @module
 */
import { Chance } from "./scheduler.ts";

/** Every fault by its regime, and how many of it a run has when it is on. */
const regimes = {
  link: { "lose-request": 12, "lose-reply": 12, "delay": 15, "double": 10, "drop-packets": 6 },
  disk: {
    "store-slow-disk": 6,
    "store-restart": 4,
    "store-power-cut": 4,
    "store-refuses": 3,
    "ledger-refuses": 2,
  },
  clocks: { "store-clock": 3, "worker-freeze": 3 },
  processes: { "api-crash": 3, "worker-crash": 4, "api-freeze": 3, "worker-freeze": 5 },
  awaits: {
    "api-crash-at-await": 4,
    "api-freeze-at-await": 4,
    "worker-crash-at-await": 6,
    "worker-freeze-at-await": 8,
  },
  failover: {
    "store-restart": 4,
    "store-replaced": 2,
    "store-flush": 2,
    "store-power-cut": 3,
    "worker-freeze-at-await": 6,
  },
  restore: { "store-put-back": 2, "store-replaced": 1, "store-flush": 1, "store-foreign": 2 },
  ledger: {
    "ledger-refuses": 2,
    "ledger-conflicts": 4,
    "ledger-goes-back": 1,
    "ledger-standby": 1,
    "ledger-foreign": 2,
  },
  backup: { "ledger-goes-back": 1, "store-flush": 2, "store-restart": 2 },
  topic: {
    "topic-away": 3,
    "topic-loses": 6,
    "topic-doubles": 6,
    "topic-breaks": 4,
    "topic-truncated": 3,
    "topic-expires": 2,
    "topic-deleted": 2,
  },
} as const satisfies Record<string, Record<string, number>>;

/** Drawn apart from the others, which a seed therefore has as it had them before these existed. */
const processClocks = { "api-clock": 3, "worker-clock": 3 } as const;

/** Drawn apart for the same reason. */
const rebuildCopies = { "store-put-back-in-rebuild": 2 } as const;

type Regimes = typeof regimes;
/** The name of a fault. */
export type FaultKind =
  | { [R in keyof Regimes]: keyof Regimes[R] }[keyof Regimes]
  | keyof typeof processClocks
  | keyof typeof rebuildCopies;

/** All names. */
export const faultKinds = [
  ...new Set(
    [...Object.values(regimes), processClocks, rebuildCopies].flatMap((kinds) => Object.keys(kinds)),
  ),
] as FaultKind[];

/** A fault at a time. */
export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** In [0, 1): what the fault decides by, for example how long it lasts. */
  readonly dice: number;
  /** Which of the next awaits is struck; left out = the dice decide. */
  readonly left?: number;
}

/** No fault begins after this, ms of virtual time. */
export const faultsEndMs = 20_000;

/** In a burst these come first: the others meet a store that is verified and rebuilt. */
const disarming: ReadonlySet<string> = new Set([
  ...["store-restart", "store-flush", "store-replaced", "store-put-back"],
]);

/**
 * The faults of a seed. It has one to three regimes, of each some kinds of fault, and by chance single ones of others.
 * They are spread over the run, or come in bursts.
 */
export function faultsOf(seed: number): Fault[] {
  const chance = new Chance(seed, 2);
  const names = Object.keys(regimes) as (keyof Regimes)[];
  const chosen = new Set<string>();
  for (let i = chance.between(1, 3); i > 0; i--) chosen.add(names[chance.between(0, names.length - 1)] ?? "");
  const hasBursts = chance.isHit(0.4);
  const bursts = [0, 1, 2, 3].map(() => chance.between(200, faultsEndMs - 1000));
  const faults: Fault[] = [];
  for (const name of names) {
    for (const [kind, count] of Object.entries(regimes[name])) {
      const isOn = chance.isHit(chosen.has(name) ? 0.6 : 0.03);
      for (let i = 0; i < count; i++) {
        const spreadMs = chance.between(200, faultsEndMs);
        const within = disarming.has(kind) ? 50 : 700;
        const burstMs = (bursts[chance.between(0, 3)] ?? 0) + chance.between(0, within);
        const atMs = hasBursts ? burstMs : spreadMs;
        const fault = { atMs, kind: kind as FaultKind, dice: chance.next() };
        if (isOn) faults.push(fault);
      }
    }
  }
  faults.push(...processClocksOf(new Chance(seed, 9)), ...rebuildCopiesOf(new Chance(seed, 10)));
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** In a fifth of the runs the clocks of processes are stepped, from the start on in half of those. */
function processClocksOf(chance: Chance): Fault[] {
  if (!chance.isHit(0.2)) return [];
  const isEarly = chance.isHit(0.5);
  return Object.entries(processClocks).flatMap(([kind, count]) => {
    if (!chance.isHit(0.8)) return [];
    return Array.from({ length: count }, (): Fault => {
      const atMs = chance.between(200, isEarly ? 2000 : faultsEndMs);
      return { atMs, kind: kind as FaultKind, dice: chance.next() };
    });
  });
}

/** In one of twenty runs a store is emptied and rebuilt, and an older copy is put back meanwhile. */
function rebuildCopiesOf(chance: Chance): Fault[] {
  if (!chance.isHit(0.05)) return [];
  return Object.entries(rebuildCopies).flatMap(([kind, count]) =>
    Array.from({ length: count }, (): Fault[] => {
      const [atMs, dice] = [chance.between(200, faultsEndMs), chance.next()];
      // The same dice, and therefore the same store.
      return [{ atMs, kind: kind as FaultKind, dice }, { atMs, kind: "store-flush", dice }];
    }).flat()
  );
}

/** A fault as a line for people. */
export function describeFault({ atMs, kind, dice }: Fault): string {
  return `${String(atMs).padStart(6)} ms  ${kind} (${dice.toFixed(3)})`;
}
