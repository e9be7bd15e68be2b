import assert from "node:assert/strict";
import { type Fault, judge, type Row } from "./trial.ts";

const row: Row = {
  ...{ group: "Redis", what: "a restart", times: 1, operations: 1000, accepted: 600 },
  ...{ unknown: 2, unavailable: 398, acceptedShare: 0.6, pauseMs: 900 },
  ...{ lost: 0, doubled: 0, oversold: 0, undersold: 0 },
};
const fault: Pick<Fault, "acceptedMin" | "pauseMaxMs"> = { acceptedMin: 0.5, pauseMaxMs: 1_000 };

Deno.test("trial: a system that answers 503 to everything is safe and fails", () => {
  judge(row, fault);
  const silent = { ...row, accepted: 0, unavailable: 1000, unknown: 0, acceptedShare: 0 };
  assert.throws(() => judge(silent, fault), /0.00 of the undisturbed sale/);
  assert.throws(() => judge(silent, { ...fault, acceptedMin: 0 }), /tests nothing/);
});

Deno.test("trial: one order that is lost or doubled, one unit too many or too few, and a long pause fail", () => {
  for (const what of ["lost", "doubled", "oversold", "undersold"]) {
    assert.throws(() => judge({ ...row, [what]: 1 }, fault), { name: "AssertionError" }, what);
  }
  assert.throws(() => judge({ ...row, pauseMs: 1_001 }, fault), /1001 ms without a sale/);
});
