/** Numbers that were declared lost, and recovered or not: what may be missing, for how long, and what stays lost. */
import assert from "node:assert/strict";
import { checkHistory, type Report } from "../../tools/checker/checker.ts";
import type { Rule } from "../../tools/checker/rules.ts";
import {
  accepted,
  header,
  type Members,
  movement,
  operation,
  replayed,
  short,
  units,
} from "./sample_history.ts";

/** Ten units; the numbers 3 to 6 are declared lost at 20 ms and recovered from the store at 21 ms. */
const parts = {
  header,
  stock: operation("adjust", "stock", [0, 1], { ...units(10), ...accepted(1, 10) }),
  o1: operation("deduct", "o1", [2, 3], { ...units(1), ...accepted(2, 9) }),
  o2: operation("deduct", "o2", [4, 5], { ...units(2), ...accepted(3, 7) }),
  held: operation("reserve", "r1", [6, 7], { ...units(3), ...accepted(4, 4) }),
  cancelled: operation("cancel", "r1", [8, 9], { lines: [], ...accepted(5) }),
  o3: operation("deduct", "o3", [10, 11], { ...units(1), ...accepted(6, 6) }),
  o2Again: operation("deduct", "o2", [30, 31], { ...units(2), ...replayed(3, 7) }),
  o4: operation("deduct", "o4", [32, 33], { ...units(1), ...accepted(7, 5) }),
  movesStock: movement(1, "create", "stock", 10, 10),
  moves1: movement(2, "deduct", "o1", -1, 9),
  moves2: movement(3, "deduct", "o2", -2, 7),
  movesHeld: movement(4, "reserve", "r1", -3, 4, { reserved_delta: 3, reserved: 3 }),
  movesCancelled: movement(5, "cancel", "r1", 3, 7, { reserved_delta: -3 }),
  moves3: movement(6, "deduct", "o3", -1, 6),
  rules: movement(6, "rules", "", 0, 6, { user_id: "" }),
  moves4: movement(7, "deduct", "o4", -1, 5),
  cursor: { type: "cursor", shard: 0, seq: 7 },
  lost: { type: "lost", shard: 0, from_seq: 2, to_seq: 6, at_ms: 20 },
  recovered: { type: "recovered", shard: 0, from_seq: 2, to_seq: 6, at_ms: 21 },
};
type Part = keyof typeof parts;
/** Parts in place of the history's; null leaves one out. */
type Doctored = { readonly [Name in Part]?: Members | null } & { readonly more?: readonly Members[] };

const unnumbered = { movesCancelled: null, rules: null };
/** The ledger's stock counts, and nothing of the lost numbers is back. */
const neverRecovered: Doctored = {
  recovered: null,
  o2Again: null,
  moves2: null,
  movesHeld: null,
  moves3: null,
  ...unnumbered,
  o4: operation("deduct", "o4", [32, 33], { ...units(1), ...accepted(7, 8) }),
  moves4: movement(7, "deduct", "o4", -1, 8),
};
/** The store had forgotten `o2`: a correction takes its units. */
const forgotten: Doctored = {
  moves2: movement(2, "correction", "", -2, 7, { user_id: "" }),
  o2Again: null,
  recovered: { ...parts.recovered, forgotten: [3] },
};

function check({ more = [], ...doctored }: Doctored): Report {
  const all = [...Object.values({ ...parts, ...doctored }), ...more].filter((part) => part !== null);
  return checkHistory(all.map((line) => JSON.stringify(line)));
}

Deno.test("declared lost and recovered: every accepted answer is back, and nothing is lost", () => {
  const { violations, declaredLosses, outcomes } = check({});
  assert.deepEqual([violations, declaredLosses, outcomes.declaredLost], [[], [], 0]);
});

Deno.test("declared lost and never recovered: each loss is named, which is no violation", () => {
  const { violations, declaredLosses, outcomes } = check(neverRecovered);
  assert.deepEqual(violations, []);
  assert.deepEqual(declaredLosses, [
    "deduct of o2, number 3, 2 units of a",
    "reserve of r1, number 4, 3 units of a",
    "cancel of r1, number 5",
    "deduct of o3, number 6, 1 units of a",
  ]);
  assert.equal(outcomes.declaredLost, 4);
});

Deno.test("recovered but for what the store had forgotten: that is named as lost", () => {
  const { violations, declaredLosses } = check(forgotten);
  assert.deepEqual([violations, declaredLosses], [[], ["deduct of o2, number 3, 2 units of a"]]);
});

Deno.test("a SKU of which everything was declared lost is lost too", () => {
  const first = operation("adjust", "first", [12, 13], {
    lines: [{ sku: "b", units: 1 }],
    ...accepted(4, 1),
  });
  const { violations, declaredLosses } = check({ ...neverRecovered, more: [first] });
  assert.deepEqual([violations, declaredLosses.at(-1)], [[], "adjust of first, number 4, 1 units of b"]);
});

Deno.test("between declaration and recovery an order may be refused, which is no broken replay", () => {
  const refused = (times: [number, number]) =>
    check({ more: [operation("deduct", "o2", times, { ...units(2), ...short(0) })] });
  const rulesAt = (times: [number, number]) => refused(times).violations.map(({ rule }) => rule);
  assert.deepEqual(rulesAt([20.2, 20.8]), []);
  assert.deepEqual(rulesAt([15, 16]), ["replay_differs"], "before the declaration");
  assert.ok(rulesAt([22, 23]).includes("replay_differs"), "after the recovery");
});

Deno.test("a read at the number that a correction stands behind may be of before or after it", () => {
  const read = (available: number) => ({
    ...operation("read", "", [3.2, 3.4], { ...units(0), answer: { kind: "stock", seq: 2, available } }),
  });
  const rulesOf = (available: number) =>
    check({ ...forgotten, more: [read(available)] }).violations.map(({ rule }) => rule);
  assert.deepEqual([rulesOf(9), rulesOf(7), rulesOf(8)], [[], [], ["wrong_stock"]]);
});

interface Wrong extends Doctored {
  readonly what: string;
  readonly rule: Rule;
  /** Other rules that the same slip breaks. */
  readonly too?: readonly Rule[];
  readonly says: RegExp;
  /** Losses that are named nevertheless. */
  readonly losses?: number;
}

const wrong: readonly Wrong[] = [
  {
    what: "a loss that was not declared",
    lost: null,
    recovered: null,
    ...{ rules: null, o2Again: null, moves2: null },
    movesHeld: movement(4, "reserve", "r1", -3, 6, { reserved_delta: 3, reserved: 3 }),
    movesCancelled: movement(5, "cancel", "r1", 3, 9, { reserved_delta: -3 }),
    held: null,
    cancelled: null,
    moves3: movement(6, "deduct", "o3", -1, 8),
    moves4: movement(7, "deduct", "o4", -1, 7),
    o3: operation("deduct", "o3", [10, 11], { ...units(1), ...accepted(6, 8) }),
    o4: operation("deduct", "o4", [32, 33], { ...units(1), ...accepted(7, 7) }),
    header: { ...header, complete: false },
    rule: "lost_accepted",
    too: ["gap"],
    says: /deduct of o2, a: accepted as number 3, and the log does not have it/,
  },
  {
    what: "a number outside of the declared ones is missing",
    ...neverRecovered,
    lost: { ...parts.lost, from_seq: 3 },
    rule: "lost_accepted",
    too: ["gap"],
    says: /deduct of o2, a: accepted as number 3, and the log does not have it/,
    losses: 3,
  },
  {
    what: "a declaration of a line that was never lost",
    recovered: null,
    rules: null,
    lost: { ...parts.lost, from_seq: 2, to_seq: 3 },
    o2Again: null,
    rule: "gap",
    says: /number 3 is declared lost and in the log/,
    losses: 1,
  },
  {
    what: "an accepted order that a recovery has not brought back",
    ...{ moves2: movement(2, "correction", "", -2, 7, { user_id: "" }), o2Again: null },
    rule: "lost_accepted",
    says: /deduct of o2, a: accepted as number 3, and the log does not have it/,
  },
  {
    what: "an accepted cancellation that a recovery has not brought back",
    movesCancelled: movement(4, "correction", "", 3, 7, { user_id: "", reserved_delta: -3 }),
    rule: "lost_accepted",
    says: /cancel of r1: accepted as number 5, not in the log/,
  },
  {
    what: "an order that is recovered with other units",
    moves2: movement(3, "deduct", "o2", -1, 7),
    movesStock: movement(1, "create", "stock", 9, 9),
    moves1: movement(2, "deduct", "o1", -1, 8),
    stock: operation("adjust", "stock", [0, 1], { ...units(9), ...accepted(1, 9) }),
    o1: operation("deduct", "o1", [2, 3], { ...units(1), ...accepted(2, 8) }),
    rule: "contents_differ",
    too: ["replay_differs"],
    says:
      /deduct of o2, a: accepted as number 3, user 'user-o2', 2 units, 7 left; the log has .* change -1, 7 left/,
  },
  {
    what: "an order that is recovered for another user",
    moves2: movement(3, "deduct", "o2", -2, 7, { user_id: "other" }),
    rule: "contents_differ",
    too: ["replay_differs"],
    says: /the log has number 3, deduct, user 'other'/,
  },
  {
    what: "an order that is recovered under another number",
    moves2: movement(3, "deduct", "o3", -1, 8),
    movesHeld: movement(4, "reserve", "r1", -3, 5, { reserved_delta: 3, reserved: 3 }),
    movesCancelled: movement(5, "cancel", "r1", 3, 8, { reserved_delta: -3 }),
    moves3: movement(6, "deduct", "o2", -2, 6),
    held: null,
    header: { ...header, complete: false },
    rule: "contents_differ",
    too: ["replay_differs", "time_reversed"],
    says: /deduct of o2, a: accepted as number 3, .* the log has number 6/,
  },
  {
    what: "numbers that are recovered twice",
    more: [{ ...parts.recovered, at_ms: 25 }],
    rule: "declared_wrongly",
    says: /numbers 3 to 6 are recovered twice/,
  },
  {
    what: "numbers of which some are recovered twice",
    more: [{ ...parts.recovered, from_seq: 4, at_ms: 25 }],
    rule: "declared_wrongly",
    says: /numbers 5 to 6 are recovered twice/,
  },
  {
    what: "numbers that are declared lost twice",
    more: [{ ...parts.lost, to_seq: 4, at_ms: 25 }],
    rule: "declared_wrongly",
    says: /numbers 3 to 4 are declared lost twice/,
  },
  {
    what: "an order that is recovered, and sold again",
    moves4: movement(7, "deduct", "o2", -2, 4),
    o4: operation("deduct", "o2", [32, 33], { ...units(2), ...accepted(7, 4) }),
    rule: "doubled",
    too: ["replay_differs", "contents_differ"],
    says: /deduct of o2, a: applied as number 3 of shard 0 and again as 7/,
  },
  {
    what: "numbers that are recovered and were never declared lost",
    lost: { ...parts.lost, to_seq: 5 },
    rules: null,
    rule: "declared_wrongly",
    says: /numbers 3 to 6 are recovered and not declared lost/,
  },
  {
    what: "numbers that are recovered before they are declared lost",
    recovered: { ...parts.recovered, at_ms: 19 },
    rule: "declared_wrongly",
    says: /numbers 3 to 6 are recovered at 19 ms and declared lost at 20 ms/,
  },
  {
    what: "a forgotten number that was not lost",
    recovered: { ...parts.recovered, forgotten: [7] },
    rule: "declared_wrongly",
    says: /numbers 3 to 6 are recovered, and 7 is forgotten, which is not one of them/,
  },
  {
    what: "a forgotten number that is in the log",
    recovered: { ...parts.recovered, forgotten: [3] },
    rule: "gap",
    too: ["declared_wrongly"],
    says: /number 3 is declared lost and in the log/,
    losses: 1,
  },
  {
    what: "a number that is issued after it was declared lost",
    ...neverRecovered,
    o3: operation("deduct", "o3", [25, 26], { ...units(1), ...accepted(6, 6) }),
    rule: "declared_wrongly",
    says: /deduct of o3: called at 25 ms and accepted as number 6, which was declared lost at 20 ms/,
    losses: 4,
  },
  {
    what: "a number that is issued after it was declared lost, and recovered",
    o3: operation("deduct", "o3", [20.2, 20.4], { ...units(1), ...accepted(6, 6) }),
    rule: "declared_wrongly",
    says: /deduct of o3: called at 20.2 ms and accepted as number 6/,
  },
  {
    what: "a replay of what was declared lost and is not back",
    ...neverRecovered,
    o2Again: parts.o2Again,
    rule: "declared_wrongly",
    says: /deduct of o2: called at 30 ms and accepted as number 3/,
    losses: 4,
  },
  {
    what: "two sales under one recovered number",
    rules: movement(6, "deduct", "o7", -1, 5),
    moves4: movement(7, "deduct", "o4", -1, 4),
    o4: operation("deduct", "o4", [32, 33], { ...units(1), ...accepted(7, 4) }),
    header: { ...header, complete: false },
    rule: "doubled",
    says: /number 6 is both deduct of 'o3' and deduct of 'o7'/,
  },
  {
    what: "an event without a number that is not at the last one",
    movesCancelled: movement(5, "cancel", "r1", 3, 7, { reserved_delta: -3 }),
    moves2: movement(3, "deduct", "o2", -2, 7),
    rules: null,
    movesHeld: movement(3, "rules", "", 0, 7, { user_id: "" }),
    held: null,
    cancelled: null,
    header: { ...header, complete: false },
    rule: "doubled",
    too: ["settled_wrongly", "arithmetic", "oversell"],
    says: /number 3 is both deduct of 'o2' and rules of ''/,
  },
];

for (const { what, rule, too = [], says, losses = 0, ...history } of wrong) {
  Deno.test(`a doctored declaration or recovery is found: ${what}`, () => {
    const { violations, declaredLosses } = check(history);
    const found = violations.filter((violation) => violation.rule === rule);
    assert.match(found.map(({ message }) => message).join("\n"), says, JSON.stringify(violations, null, 2));
    const others = new Set(violations.map((violation) => violation.rule)).difference(new Set([rule, ...too]));
    assert.deepEqual([...others], [], JSON.stringify(violations, null, 2));
    assert.equal(declaredLosses.length, losses);
  });
}
