import assert from "node:assert/strict";
import {
  type Broadcast,
  holdersOf,
  isBroadcast,
  merge,
  partitionOf,
  whyNotReserve,
  whyNotSettle,
} from "./fan_out.ts";
import type { Cancel, Confirm, Extend, Sale } from "../domain/command.ts";
import { type Outcome, type RememberedLine, unsettled } from "../domain/outcome.ts";

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

Deno.test("broadcast: as long as one shard has not decided, the outcome is unknown", () => {
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

Deno.test("broadcast: what names no SKU goes to each shard as it is", () => {
  const by = { owner: "", orderId: "o", actor: "", traceparent: "" };
  const all: Broadcast[] = [
    { kind: "confirm", lines: null, ...by },
    { kind: "cancel", ...by },
    { kind: "extend", holdMs: 5, ...by },
  ];
  for (const command of all) {
    assert.ok(isBroadcast(command), command.kind);
    assert.deepEqual(partitionOf(command, () => false), command);
  }
  assert.ok(!isBroadcast({ kind: "lookup", orderId: "o" }));
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

/** A line of a reservation of two units; `settledUnits` of it were confirmed. */
function held(sku: string, state: RememberedLine["state"], settledUnits = 0, settledSeq = 0): RememberedLine {
  const line = { sku, kind: "reserve", amount: 2, newStock: 8, seq: 1, atMs: 0, userId: "u", ...unsettled };
  return { ...line, state, units: state === "held" ? 2 : settledUnits, settledUnits, settledSeq };
}

function confirmOf(...lines: readonly (readonly [string, number])[]): Confirm {
  const wanted = lines.length === 0 ? null : lines.map(([sku, amount]) => ({ sku, amount }));
  return { kind: "confirm", owner: "", orderId: "o", lines: wanted, actor: "", traceparent: "" };
}

const cancel: Cancel = { kind: "cancel", owner: "", orderId: "o", actor: "", traceparent: "" };
const extend: Extend = { ...cancel, kind: "extend", holdMs: 1 };

type Case = readonly [
  why: string,
  command: Broadcast,
  found: readonly RememberedLine[][],
  kind: string | undefined,
];
const cases: readonly Case[] = [
  ["nothing was reserved", confirmOf(), [[], []], "unknown_reservation"],
  ["only a sale", confirmOf(), [[{ ...held("S", "accepted"), kind: "deduct" }]], "unknown_reservation"],
  ["all is held", confirmOf(), [[held("S", "held")], [held("T", "held")]], undefined],
  ["a part has lapsed", confirmOf(), [[held("S", "held")], [held("T", "expired")]], "reservation_expired"],
  ["a part was cancelled", confirmOf(), [[held("S", "held")], [held("T", "cancelled")]], "already_cancelled"],
  [
    "a part was confirmed whole",
    confirmOf(),
    [[held("S", "held")], [held("T", "confirmed", 2, 3)]],
    undefined,
  ],
  [
    "a part was confirmed for less",
    confirmOf(),
    [[held("S", "held")], [held("T", "confirmed", 1, 3)]],
    "already_confirmed",
  ],
  [
    "what was held before does not count",
    confirmOf(),
    [[held("S", "cancelled", 0, 2), held("S", "held")]],
    undefined,
  ],
  ["as many as are held", confirmOf(["S", 2]), [[held("S", "held")]], undefined],
  ["more than is held", confirmOf(["S", 3]), [[held("S", "held")]], "exceeds"],
  ["a SKU that is not held", confirmOf(["T", 1]), [[held("S", "held")]], "exceeds"],
  ["a SKU that was not in what was confirmed", confirmOf(["S", 2], ["T", 1]), [[
    held("S", "confirmed", 2, 3),
  ]], "already_confirmed"],
  ["the same confirmation again", confirmOf(["S", 1]), [[held("S", "confirmed", 1, 3)]], undefined],
  ["cancelling what is held", cancel, [[held("S", "held")], [held("T", "expired")]], undefined],
  ["cancelling again", cancel, [[held("S", "cancelled")], [held("T", "cancelled")]], undefined],
  ["cancelling what lapsed", cancel, [[held("S", "expired")]], "reservation_expired"],
  [
    "cancelling what was confirmed in part",
    cancel,
    [[held("S", "held")], [held("T", "confirmed", 2, 3)]],
    "already_confirmed",
  ],
  ["extending what is held", extend, [[held("S", "held")]], undefined],
  [
    "extending when a part is over",
    extend,
    [[held("S", "held")], [held("T", "cancelled")]],
    "already_cancelled",
  ],
];

for (const [why, command, found, kind] of cases) {
  Deno.test(`broadcast: ${command.kind}, ${why}: ${kind ?? "goes on"}`, () => {
    assert.equal(whyNotSettle(command, found)?.kind, kind);
  });
}

Deno.test("broadcast: only the token that reserved may settle, and what exceeds says how much is held", () => {
  const lines = [[{ ...held("S", "held"), actor: "till" }], [held("T", "held")]];
  assert.equal(whyNotSettle({ ...cancel, owner: "other" }, lines)?.kind, "forbidden");
  assert.equal(whyNotSettle({ ...cancel, owner: "till" }, lines), undefined);
  assert.deepEqual(whyNotSettle(confirmOf(["S", 3]), lines), { kind: "exceeds", sku: "S", units: 2 });
  assert.deepEqual(whyNotSettle(confirmOf(["U", 1]), lines), { kind: "exceeds", sku: "U", units: 0 });
});

Deno.test("broadcast: an order id has one reservation in all shards", () => {
  const lines = [{ sku: "U", amount: 1 }];
  const sale = { orderId: "o", userId: "u", lines, hasToken: false, holdMs: 1 };
  const reserve: Sale = { kind: "reserve", ...sale, actor: "", traceparent: "" };
  const whyNot = (...states: RememberedLine["state"][]) =>
    whyNotReserve(reserve, states.map((state) => [held("S", state)]))?.kind;
  assert.deepEqual([whyNot(), whyNot("held"), whyNot("expired"), whyNot("confirmed")], [
    undefined,
    "conflict",
    "reservation_expired",
    "already_confirmed",
  ]);
});

Deno.test("broadcast: only the shards that remember a reservation of the order act", () => {
  const sold: RememberedLine = { ...held("S", "accepted"), kind: "deduct" };
  assert.deepEqual(holdersOf([[], [held("T", "held")], [sold], [held("U", "cancelled", 0, 5)]]), [1, 3]);
});
