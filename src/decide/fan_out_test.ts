import assert from "node:assert/strict";
import { merge, partitionOf } from "./fan_out.ts";
import type { Confirm } from "../domain/command.ts";
import type { Outcome } from "../domain/outcome.ts";

const settled = (seq: number, sku: string): Outcome => {
  const lines = [{ sku, amount: 1, available: 9 }];
  return { kind: "settled", state: "confirmed", seq, replayed: false, lines };
};
const unknown: Outcome = { kind: "unknown_reservation" };

/** When the answers are put together. */
const nowMs = 1000;
const mergeNow = (outcomes: readonly Outcome[]) => merge(outcomes, nowMs);

Deno.test("broadcast: one shard has the reservation, the others do not know it", () => {
  assert.deepEqual(mergeNow([unknown, settled(7, "S"), unknown]), settled(7, "S"));
  assert.deepEqual(mergeNow([unknown, { kind: "already_cancelled" }]), { kind: "already_cancelled" });
  assert.deepEqual(mergeNow([unknown, unknown]), unknown);
});

Deno.test("broadcast: lines of several shards are one answer", () => {
  const merged = mergeNow([settled(7, "S"), settled(3, "T")]);
  assert.ok(merged.kind === "settled");
  assert.deepEqual([merged.seq, merged.lines.map((line) => line.sku)], [7, ["S", "T"]]);
});

Deno.test("broadcast: as long as one shard has not decided, nobody knows", () => {
  const lost: Outcome = { kind: "outcome_unknown", deadlineMs: nowMs + 5 };
  assert.deepEqual(mergeNow([settled(7, "S"), lost, unknown]), lost);
  assert.deepEqual(mergeNow([unknown, { kind: "unarmed" }]), { kind: "unarmed" });
});

Deno.test("broadcast: what one shard has done, or may do, is not certain to be undone because of another", () => {
  const lost = (deadlineMs: number): Outcome => ({ kind: "outcome_unknown", deadlineMs });
  const idle: Outcome[] = [{ kind: "unarmed" }, { kind: "late" }, {
    kind: "store_unavailable",
    reason: "LOADING",
  }];
  for (const none of idle) {
    assert.deepEqual(mergeNow([settled(7, "S"), none]), lost(nowMs));
    assert.deepEqual(mergeNow([none, lost(nowMs + 5), unknown, lost(nowMs + 3)]), lost(nowMs + 5));
  }
});

Deno.test("broadcast: each shard confirms its own lines", () => {
  const lines = [{ sku: "S", amount: 1 }, { sku: "T", amount: 1 }];
  const confirm: Confirm = {
    kind: "confirm",
    owner: "",
    orderId: "o",
    lines,
    actor: "",
    traceparent: "",
  };
  const share = partitionOf(confirm, (sku) => sku === "T");
  assert.deepEqual(share.kind === "confirm" && share.lines, [{ sku: "T", amount: 1 }]);
  assert.equal(partitionOf({ ...confirm, lines: null }, () => false).kind, "confirm");
});

Deno.test("broadcast: an extension over several shards lasts until the first of its parts lapses", () => {
  const extended = (seq: number, expiresAtMs: number): Outcome => ({ kind: "extended", seq, expiresAtMs });
  assert.deepEqual(mergeNow([extended(3, 900), unknown, extended(7, 500)]), extended(7, 500));
  assert.deepEqual(mergeNow([extended(7, 500), extended(3, 900)]), extended(7, 500));
});

Deno.test("broadcast: an answer of several shards is a replay only when each of them is", () => {
  const replayed = (outcome: Outcome): Outcome => ({ ...outcome, replayed: true } as Outcome);
  const [S, T] = [settled(7, "S"), settled(3, "T")];
  const isReplay = (outcome: Outcome) => outcome.kind === "settled" && outcome.replayed;
  assert.ok(!isReplay(mergeNow([replayed(S), T])));
  assert.ok(isReplay(mergeNow([replayed(S), replayed(T)])));
});
