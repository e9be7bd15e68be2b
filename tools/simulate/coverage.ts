/**
 * What runs have reached: which fault met which state, and what has happened at least once.
 *
 * @module
 */
import { faultKinds } from "./faults.ts";

/** States that a fault can meet. Several may hold at once. */
export const states = [
  "selling",
  "behind",
  "unarmed",
  "rebuilding",
  "holds",
  "sold out",
  "returning",
  "link down",
  "frozen",
] as const;
/** One of {@link states}. */
export type State = (typeof states)[number];

/** What must happen sometimes, as the run calls it. */
export const expected = [
  ...["accepted", "settled", "extended", "conflict", "insufficient", "paused", "not_open", "quota_exceeded"],
  ...["rate_limited", "reservation_expired", "stale", "unknown_order", "unknown_sku", "late", "no_answer"],
  ...["outcome_unknown", "overloaded", "store_full", "store_unavailable", "unarmed", "backlog_full"],
].map((kind) => `a client hears ${kind}`).concat(
  ...["a retry hears the first answer", "a sale after the window", "units are returned"],
  ...[
    "units are returned after the window",
    "an operator accepts a loss",
    "a session was ended by the server",
  ],
  ...["worker: shard armed", "worker: shard armed, rebuilt", "worker: shard refused", "worker: dead letters"],
  ...["worker: store went back", "worker: store went back, or another worker acknowledges it"],
  ...["worker: sold twice after the idempotency window, units returned", "worker: store is no longer armed"],
  ...["worker: log entries cannot be applied", "worker: ledger refuses writes, selling continues"],
  ...["worker: store refuses writes, applying continues", "a restore is overtaken", "an arming is overtaken"],
  ...["relay: created", "relay: gap", "relay: jump", "relay: away", "relay: back"],
);

/** The sum of some runs. */
export class Coverage {
  readonly #cells = new Map<string, number>();
  readonly #happened = new Map<string, number>();

  add(cells: ReadonlyMap<string, number>, happened: ReadonlyMap<string, number>): void {
    for (const [name, n] of cells) this.#cells.set(name, n + (this.#cells.get(name) ?? 0));
    for (const [name, n] of happened) this.#happened.set(name, n + (this.#happened.get(name) ?? 0));
  }

  /** What was expected and has not happened. */
  get missing(): string[] {
    return expected.filter((name) => !this.#happened.has(name));
  }

  /** Cells that were never reached, as a line per fault. */
  get empty(): string[] {
    return faultKinds.flatMap((fault) => {
      const none = states.filter((state) => !this.#cells.has(cell(fault, state)));
      return none.length === 0
        ? []
        : [`${fault}: ${none.length === states.length ? "all" : none.join(", ")}`];
    });
  }

  /** The table for people: a row is a fault, a column a state. */
  table(): string {
    const width = Math.max(...faultKinds.map((fault) => fault.length));
    const head = ["".padEnd(width), ...states.map((state) => state.padStart(10))].join(" ");
    const rows = faultKinds.map((fault) =>
      [
        fault.padEnd(width),
        ...states.map((state) => String(this.#cells.get(cell(fault, state)) ?? "-").padStart(10)),
      ].join(" ")
    );
    return [head, ...rows].join("\n");
  }
}

/** The name of a cell. */
export function cell(fault: string, state: State): string {
  return `${fault} ${state}`;
}
