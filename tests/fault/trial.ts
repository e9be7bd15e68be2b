/**
 * One fault that strikes a sale: what it cost, as a row of docs/faults.md, and the bounds that it must keep.
 *
 * `deno task faults` sets FAULT_ROWS to a file that collects the rows, and FAULT_LONG for durations and repetitions that
 * the suite has no time for.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { note } from "./fault_scenario.ts";
import type { Counts, Differences, Sale } from "./sale.ts";

/** Whether this run has time for the long faults. */
export const isLong: boolean = Deno.env.get("FAULT_LONG") === "1";

/** The undisturbed rate is measured for as long, before each fault. */
const CALM_MS = isLong ? 5_000 : 1_000;
/** After the fault and the first sale of every SKU. */
const AFTER_MS = 1_000;
const SOLD_DEADLINE_MS = 60_000;

/** A fault, and what it may cost. */
export interface Fault {
  /** A row of the document: what fails, and for how long. */
  readonly what: string;
  /** Begins it. */
  readonly strike: () => Promise<unknown>;
  /** How long it lasts, ms; 0 when {@link strike} ends it. */
  readonly forMs: number;
  /** Ends it. */
  readonly heal?: () => Promise<unknown>;
  /**
   * Orders that must be accepted from its beginning to its end, of an undisturbed sale: 0 to 1. The rate of that is
   * measured right before it: while other programs take the cores, half of it is nothing unusual.
   */
  readonly acceptedMin: number;
  /** The longest time without a sale of a SKU that it may cost, ms. */
  readonly pauseMaxMs: number;
  /** Times it strikes; 1 when left out. */
  readonly times?: number;
  /** What else was measured, asked for at its end. */
  readonly detail?: () => string;
}

/** A row of docs/faults.md. */
export interface Row extends Counts, Differences {
  readonly group: string;
  readonly what: string;
  readonly times: number;
  /** Accepted orders, of those of an undisturbed sale of the same length. */
  readonly acceptedShare: number;
  readonly pauseMs: number;
  /** What else was measured. */
  readonly detail?: string;
}

/**
 * Strikes, heals, waits until every SKU is sold again, and audits the whole sale. The sale goes on after it.
 *
 * @param group the heading of the row
 */
export async function trial(sale: Sale, group: string, fault: Fault): Promise<Row> {
  const { what, strike, forMs, heal = () => Promise.resolve(), times = 1, detail } = fault;
  const calm = sale.counts;
  const calmMs = performance.now();
  await sleep(CALM_MS);
  const before = sale.counts;
  const struckMs = performance.now();
  const calmRate = (before.accepted - calm.accepted) / (struckMs - calmMs);
  for (let time = 0; time < times; time++) {
    await strike();
    await sleep(forMs);
    await heal();
    await sale.allSell(SOLD_DEADLINE_MS);
  }
  await sleep(AFTER_MS);
  const after = sale.counts;
  const pauseMs = sale.longestPauseMs(struckMs);
  const expected = calmRate * (performance.now() - struckMs);
  await sale.audit();
  const differences = sale.differences;
  assert.ok(differences);
  const row = {
    ...{ group, what, times, ...differences, pauseMs },
    operations: after.operations - before.operations,
    accepted: after.accepted - before.accepted,
    unknown: after.unknown - before.unknown,
    unavailable: after.unavailable - before.unavailable,
    acceptedShare: (after.accepted - before.accepted) / expected,
    ...detail ? { detail: detail() } : {},
  };
  report(row);
  judge(row, fault);
  sale.resume();
  await sale.allSell(SOLD_DEADLINE_MS);
  return row;
}

/** Asserts that a row keeps its bounds: safe, and available. */
export function judge(
  row: Row,
  { acceptedMin, pauseMaxMs }: Pick<Fault, "acceptedMin" | "pauseMaxMs">,
): void {
  const { what, lost, doubled, oversold, undersold, acceptedShare, pauseMs } = row;
  assert.deepEqual({ lost, doubled, oversold, undersold }, {
    lost: 0,
    doubled: 0,
    oversold: 0,
    undersold: 0,
  });
  assert.ok(acceptedMin > 0, "a fault that may stop every order for good tests nothing");
  assert.ok(
    acceptedShare >= acceptedMin,
    `${what}: ${acceptedShare.toFixed(2)} of the undisturbed sale were accepted, ${acceptedMin} must be`,
  );
  assert.ok(pauseMs <= pauseMaxMs, `${what}: ${pauseMs} ms without a sale of a SKU, of ${pauseMaxMs}`);
}

/** Prints a row, and keeps it for the document if there is to be one. */
export function report(row: Row): void {
  note(
    `${row.what}: ${row.operations} orders, ${row.unknown} unknown, ${row.unavailable} other 503, ` +
      `${row.accepted} accepted ` +
      `(${row.acceptedShare.toFixed(2)} of undisturbed), ${(row.pauseMs / 1000).toFixed(1)} s without a sale`,
    row.detail ?? "",
  );
  const file = Deno.env.get("FAULT_ROWS");
  if (file) Deno.writeTextFileSync(file, `${JSON.stringify(row)}\n`, { append: true });
}
