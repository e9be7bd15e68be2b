/** The arithmetic of the benchmarks: accounts, ratios, and what /proc and Redis say. */
import assert from "node:assert/strict";
import type { LoadReport } from "./clients/report.ts";
import { describe, doesAgree, median, ratiosAgainst, type Row, spreadOf } from "./measure.ts";
import { cpuOfStat, residentBytes, usedMemoryBytes } from "./systems/system.ts";

const report: LoadReport = {
  requests: 100,
  seconds: 2,
  offered: 100,
  unsent: 0,
  not2xx: 10,
  failed: 1,
  ms: { "50": 1, "99": 9, "100": 20 },
  results: { accepted: 90, "409 insufficient_stock": 10 },
  failures: { read: 1 },
};

function row(values: Partial<Row>): Row {
  const none = { lag: null, drainMs: null, rows: null, agrees: null, memoryBytes: {} };
  return { perSecond: 50, accepted: 90, report, cpuUs: { API: 20, Redis: 10 }, ...none, ...values };
}

Deno.test("bench: accounts agree when every accepted answer is one unit and one line, and open answers are bounded", () => {
  const agrees = (sold: number, rows: number | null, openMax = 1) =>
    doesAgree(report, { sold, rows, openMax });
  assert.deepEqual([agrees(90, 90), agrees(91, 91), agrees(90, null)], [true, true, true]);
  assert.deepEqual([agrees(89, 89), agrees(92, 92), agrees(90, 91)], [false, false, false]);
  assert.equal(doesAgree({ results: null }, { sold: 90, rows: 1, openMax: 0 }), null);
});

Deno.test("bench: a ratio is the median of the rounds' ratios, with their spread", () => {
  const rows = new Map([
    ["gin", [row({ perSecond: 100 }), row({ perSecond: 200 }), row({ perSecond: 50 })]],
    ["holdfast", [row({ perSecond: 200 }), row({ perSecond: 600 }), row({ perSecond: 50 })]],
  ]);
  const [speed] = ratiosAgainst(rows, "gin");
  assert.deepEqual(speed, {
    measure: "orders a second",
    system: "holdfast",
    against: "gin",
    median: 2,
    low: 1,
    high: 3,
  });
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, low: 1, high: 3 });
});

Deno.test("bench: a run is one line with every count", () => {
  const line = describe(row({ lag: 3, drainMs: 12.3, memoryBytes: { Redis: 3 * 2 ** 20 } }));
  assert.equal(
    line,
    "50/s; accepted 90, 409 insufficient_stock 10, failed 1, unsent 0; ms p50 1 p99 9 max 20; " +
      "µs API 20.0, Redis 10.0; MiB Redis 3; lag 3 drained in 12 ms",
  );
});

Deno.test("bench: CPU counts children that have ended, whatever a program is called", () => {
  const stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 300 400 20 0 1 0 1 1 1";
  assert.equal(cpuOfStat(stat), 7300);
  assert.equal(cpuOfStat(""), 0);
});

Deno.test("bench: memory is read in bytes", () => {
  assert.equal(residentBytes("VmPeak:\t 9 kB\nVmRSS:\t   2048 kB\n"), 2_097_152);
  assert.equal(residentBytes(""), 0);
  assert.equal(usedMemoryBytes("# Memory\r\nused_memory:1234\r\nused_memory_rss:9\r\n"), 1234);
});
