/**
 * What each fault does to the run.
 *
 * @module
 */
import type { Fault } from "./faults.ts";
import type { Process } from "./scheduler.ts";
import type { Run } from "./run.ts";

/** Processes that the faults aim at. */
type Kind = "api" | "worker";

/** Calls at which a process is struck: a third of the time at any await. */
const apiCalls = [undefined, "decide", "decide", "query"];
const workerCalls = [
  ...[undefined, undefined, undefined, "begin", "restore", "restore", "arm", "arm", "commit"],
  ...["acknowledge", "inspect", "read", "lock"],
];

/** One of some, by a dice. `salt` makes choices of one fault independent. */
function pick<T>(all: readonly T[], dice: number, salt: number): T | undefined {
  return all[Math.floor(dice * salt) % Math.max(1, all.length)];
}

function freeze(run: Run, process: Process | undefined, dice: number): void {
  if (process) process.frozenUntilMs = run.scheduler.nowMs + Math.floor(dice * 8000);
}

function ambush(
  run: Run,
  kind: Kind,
  { dice, left: fixed }: Fault,
  strike: (process: Process) => void,
): void {
  const process = pick(run.processes(kind), dice, 7);
  if (!process) return;
  const at = fixed === undefined ? pick(kind === "api" ? apiCalls : workerCalls, dice, 31) : undefined;
  const left = fixed ?? 1 + Math.floor(dice * 9973) % (at === undefined ? 60 : 3);
  process.ambush = { left, at, strike: () => strike(process) };
}

/** Lets a fault happen now. */
export function strike(run: Run, fault: Fault): void {
  const { kind } = fault;
  if (kind.startsWith("store-")) return strikeStore(run, fault);
  if (kind.startsWith("ledger-") || kind.startsWith("topic-")) return strikeLedger(run, fault);
  strikeProcess(run, fault);
}

function strikeProcess(run: Run, fault: Fault): void {
  const { scheduler, network } = run;
  const { kind, dice } = fault;
  const untilMs = (most: number) => scheduler.nowMs + Math.floor(dice * most);
  switch (kind) {
    case "lose-request":
    case "lose-reply":
    case "delay":
      return void network.pending.push(kind);
    case "double":
      return void (run.doubledUntilMs = untilMs(500));
    case "drop-packets":
      return network.hold(dice, untilMs(6000));
    case "api-crash":
    case "worker-crash": {
      const role = kind === "api-crash" ? "api" : "worker";
      return run.crash(role, pick(run.processes(role), dice, 7), dice);
    }
    case "api-clock":
    case "worker-clock": {
      const process = pick(run.processes(kind === "api-clock" ? "api" : "worker"), dice, 7);
      return void (process && (process.skewMs += dice < 0.5 ? -600_000 : 600_000));
    }
    case "api-freeze":
      return freeze(run, pick(run.processes("api"), dice, 7), dice);
    case "worker-freeze":
      return freeze(run, pick(run.processes("worker"), dice, 7), dice);
    case "api-crash-at-await":
      return ambush(run, "api", fault, (process) => run.crash("api", process, dice));
    case "api-freeze-at-await":
      return ambush(run, "api", fault, (process) => freeze(run, process, dice));
    case "worker-crash-at-await":
      return ambush(run, "worker", fault, (process) => run.crash("worker", process, dice));
    case "worker-freeze-at-await":
      return ambush(run, "worker", fault, (process) => freeze(run, process, 0.3 + 0.7 * dice));
  }
}

function strikeStore(run: Run, { kind, dice }: Fault): void {
  const { scheduler, site: { stores } } = run;
  const untilMs = (most: number) => scheduler.nowMs + Math.floor(dice * most);
  const store = pick(stores, dice, 613);
  if (!store) return;
  // By 10 % of the writes at most, or by half of them.
  const share = dice < 0.7 ? dice * 0.1 : dice * 0.5;
  switch (kind) {
    case "store-restart":
      return store.restart(dice);
    case "store-power-cut":
      store.slowUntilMs = scheduler.nowMs + 600;
      return void scheduler.after(600, undefined, () => store.restart(dice));
    case "store-slow-disk":
      return void (store.slowUntilMs = untilMs(2000));
    case "store-refuses":
      return store.refuse(dice, untilMs(3000));
    case "store-foreign":
      return void (store.foreignUntilMs = untilMs(3000));
    case "store-clock":
      run.clockStepMs = Infinity;
      return void (store.skewMs += dice < 0.5 ? -600_000 : 600_000);
    case "store-flush":
      store.flush();
      return run.losses.lose(store);
    case "store-replaced":
      store.goBack(share);
      return run.losses.lose(store);
    case "store-put-back":
      store.putBack(share);
      return run.losses.lose(store);
    case "store-put-back-in-rebuild":
      return void (store.ambush = {
        left: 1 + Math.floor(dice * 9973) % 4,
        strike: () => {
          store.putBackBy(1 + Math.floor(dice * 31) % 3);
          run.losses.lose(store);
        },
      });
  }
}

function strikeLedger(run: Run, { kind, dice }: Fault): void {
  const { scheduler, site: { ledger, topic } } = run;
  const untilMs = (most: number) => scheduler.nowMs + Math.floor(dice * most);
  switch (kind) {
    case "ledger-refuses":
      return void (ledger.refusesUntilMs = untilMs(3000));
    case "ledger-conflicts":
      return void ledger.conflicts.push(...(dice < 0.5 ? ["40001"] : ["40P01", "40001"]));
    case "ledger-foreign":
      ledger.endAll();
      return void (ledger.foreignUntilMs = untilMs(3000));
    case "ledger-goes-back":
      // By up to 2 s, or by up to 10 s: longer than the window.
      return run.failBack(Math.floor(dice * (dice < 0.6 ? 2000 : 10_000)));
    case "ledger-standby":
      return run.failBack(Math.floor(dice * 300));
    case "topic-loses":
    case "topic-doubles":
    case "topic-breaks":
      return void topic?.pending.push(kind);
    case "topic-away":
      return void (topic && (topic.awayUntilMs = untilMs(4000)));
    case "topic-truncated":
      return topic?.truncate(dice);
    case "topic-expires":
      return topic?.expire(dice);
    case "topic-deleted":
      return topic?.drop();
  }
}
