/** A correct history passes; each doctored one breaks the rule that it is named for; bad input names its line. */
import assert from "node:assert/strict";
import { BadHistory, checkHistory } from "../../tools/checker/checker.ts";
import { type Rule, rules } from "../../tools/checker/rules.ts";
import {
  accepted,
  cursor,
  header,
  type History,
  linesOf,
  type Members,
  movement,
  movements,
  operation,
  operations,
  replayed,
  short,
  units,
  unknown,
} from "./sample_history.ts";

Deno.test("a correct history passes, and unknown outcomes are applied or stay open", () => {
  const { violations, outcomes, ...counts } = checkHistory(linesOf());
  assert.deepEqual(violations, []);
  assert.deepEqual(outcomes, {
    accepted: 6,
    replayed: 1,
    refused: 2,
    read: 1,
    declaredLost: 0,
    unknownApplied: 1,
    unknownOpen: 1,
  });
  assert.deepEqual(counts, {
    operations: 11,
    movements: 6,
    declaredLosses: [],
    undecidable: 0,
    stranded: [],
  });
});

Deno.test("a refused removal of units is right while there are fewer", () => {
  const removal = (units: number) =>
    [
      header,
      operation("adjust", "x", [2, 3], { lines: [{ sku: "a", units }], ...short(5) }),
      movement(1, "create", "a", 5, 5),
      { ...cursor, seq: 1 },
    ].map((record) => JSON.stringify(record));
  assert.deepEqual(checkHistory(removal(-6)).violations, []);
  assert.deepEqual(checkHistory(removal(-5)).violations.map(({ rule }) => rule), ["wrong_stock"]);
});

Deno.test("a basket with fewer lines than the one that was sold is another one: its refusal breaks no rule", () => {
  const basket = { user_id: "u", id: "b", lines: [{ sku: "a", units: 1 }, { sku: "b", units: 1 }] };
  const refused = { answer: { kind: "refused", code: "order_conflict" } };
  const line = { user_id: "u", shard: 0 };
  const history = (lines: readonly Members[]) =>
    [
      header,
      operation("order", "b", [2, 3], { ...basket, ...accepted(3, 4, 4) }),
      operation("order", "b", [4, 5], { ...basket, lines, ...refused }),
      movement(1, "create", "a", 5, 5, { user_id: "" }),
      movement(2, "create", "b", 5, 5, { user_id: "", sku: "b" }),
      movement(3, "order", "b", -1, 4, line),
      movement(3, "order", "b", -1, 4, { ...line, sku: "b" }),
      { ...cursor, seq: 3 },
    ].map((record) => JSON.stringify(record));
  assert.deepEqual(checkHistory(history(basket.lines.slice(1))).violations, []);
  const { violations } = checkHistory(history(basket.lines));
  assert.deepEqual(violations.map(({ rule }) => rule), ["replay_differs"], "the same basket is a replay");
});

interface Doctored extends History {
  readonly what: string;
  readonly rule: Rule;
  /** Other rules that the same slip breaks. */
  readonly too?: readonly Rule[];
  readonly says: RegExp;
}

const doctored: readonly Doctored[] = [
  {
    what: "more units sold than there were",
    movements: { more: movement(7, "deduct", "o6", -1, -1) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "oversell",
    says: /number 7, a: -1 units are available/,
  },
  {
    what: "a sold unit that the log's quantities hide",
    movements: { o5: movement(6, "deduct", "o5", -1, 1) },
    rule: "arithmetic",
    says: /1 and -1 make 0, not 1/,
  },
  {
    what: "reserved units from nowhere",
    movements: { o5: movement(6, "deduct", "o5", -1, 0, { reserved: 1 }) },
    rule: "arithmetic",
    says: /0 and 0 reserved make 0, not 1/,
  },
  {
    what: "an extension that moves units",
    movements: { o6: movement(7, "extend", "r1", 1, 1) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "arithmetic",
    says: /'extend' must move no units/,
  },
  {
    what: "a line applied twice",
    movements: { again: movement(7, "deduct", "o5", 0, 0) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "doubled",
    says: /deduct of o5, a: applied as number 6 of shard 0 and again as 7/,
  },
  {
    what: "an adjustment applied twice",
    movements: { again: movement(7, "adjust", "stock", 0, 0) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "doubled",
    says: /adjust of stock, a: applied as number 1/,
  },
  {
    what: "two orders under one number",
    movements: { other: movement(6, "deduct", "o6", 0, 0) },
    rule: "doubled",
    says: /number 6 is both deduct of 'o5' and deduct of 'o6'/,
  },
  {
    what: "a number that is missing",
    movements: { o5: movement(7, "deduct", "o5", -1, 0) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "gap",
    says: /numbers 6 to 6 are missing/,
  },
  {
    what: "a log that ends early",
    rest: [{ ...cursor, seq: 8 }],
    rule: "gap",
    says: /the cursor is 8, and the last number is 6/,
  },
  {
    what: "a number that is lost and there",
    rest: [cursor, { type: "lost", shard: 0, from_seq: 5, to_seq: 6 }],
    rule: "gap",
    says: /number 6 is declared lost and in the log/,
  },
  {
    what: "a hold that is released twice",
    operations: { held: { ...operations.held } },
    movements: { o5: movement(6, "expire", "r1", 1, 2, { reserved_delta: -1, reserved: -1 }) },
    rule: "oversell",
    too: ["doubled"],
    says: /-1 reserved/,
  },
  {
    what: "a hold that ends with more units than it had",
    movements: {
      cancelled: movement(5, "cancel", "r1", 2, 2, { reserved_delta: -1 }),
      o5: movement(6, "deduct", "o5", -1, 1),
    },
    rule: "settled_wrongly",
    says: /cancel of r1, a moves 2 available, -1 reserved; 1 are held/,
  },
  {
    what: "a return of more than was sold",
    movements: { back: movement(7, "return", "o1", 3, 3, { reference: "back" }) },
    rest: [{ ...cursor, seq: 7 }],
    rule: "settled_wrongly",
    says: /3 units of o1, a return; 2 are sold/,
  },
  {
    what: "an accepted order that the log lost",
    operations: { o6: operation("deduct", "o6", [13, 14], { ...units(1), ...accepted(7, 0) }) },
    rule: "lost_accepted",
    says: /deduct of o6, a: accepted as number 7, and the log does not have it/,
  },
  {
    what: "an accepted cancellation that the log lost",
    operations: { other: operation("cancel", "r2", [13, 14], { lines: [], ...accepted(7) }) },
    rule: "lost_accepted",
    says: /cancel of r2: accepted as number 7, not in the log/,
  },
  {
    what: "an order with other units than were asked for",
    operations: { o1: operation("deduct", "o1", [2, 4], { ...units(1), ...accepted(2, 3) }) },
    rule: "contents_differ",
    says: /accepted as number 2, user 'user-o1', 1 units, 3 left; the log has .*change -2, 3 left/,
  },
  {
    what: "an order of another user",
    operations: { o1: { ...operations.o1, user_id: "other" } },
    rule: "contents_differ",
    says: /user 'other'/,
  },
  {
    what: "a replay with another answer",
    operations: { o2Again: operation("deduct", "o2", [6, 7], { ...units(2), ...replayed(3, 0) }) },
    rule: "replay_differs",
    says: /deduct of o2, a: accepted as number 3, .* 0 left; the log has number 3, .* 1 left/,
  },
  {
    what: "a repeat that is accepted as a first",
    operations: { o2Again: operation("deduct", "o2", [6, 7], { ...units(2), ...accepted(3, 1) }) },
    rule: "replay_differs",
    says: /2 answers are not marked as replayed/,
  },
  {
    what: "a repeat of an accepted order that is refused",
    operations: { o2Again: operation("deduct", "o2", [6, 7], { ...units(2), ...short(1) }) },
    rule: "replay_differs",
    says: /deduct of o2: accepted, and then refused: insufficient_stock/,
  },
  {
    what: "an order that was refused and applied",
    operations: { lost: operation("deduct", "o5", [12, 13], { ...units(1), ...short(0) }) },
    rule: "refused_but_applied",
    says: /deduct of o5, number 6 of shard 0, is in the log, and every attempt was refused/,
  },
  {
    what: "a sale that no client asked for",
    operations: { lost: operation("deduct", "o7", [12], { ...units(1), ...unknown }) },
    rule: "nobody_asked",
    says: /deduct of o5, number 6 of shard 0, is in the log, and no client sent it/,
  },
  {
    what: "a refusal while units were free",
    operations: { o3: operation("deduct", "o3", [6, 7], { ...units(1), ...short(0) }) },
    rule: "undersell",
    says: /deduct of o3: refused 1 units of a while at least 1 were free, at number 3/,
  },
  {
    what: "a refusal by units that came back before it was asked",
    operations: { o4: operation("deduct", "o4", [11.2, 11.4], { ...units(1), ...short(0) }) },
    rule: "undersell",
    says: /at least 1 were free, at number 5/,
  },
  {
    what: "a refusal that names units that never were",
    operations: { o3: operation("deduct", "o3", [6, 7], { ...units(2), ...short(0) }) },
    rule: "wrong_stock",
    says: /refused 2 units of a as 0 were available: they never were at number 3/,
  },
  {
    what: "a read of units that never were",
    operations: { read: { ...operations.read, answer: { kind: "stock", seq: 3, available: 2 } } },
    rule: "wrong_stock",
    says: /a read of a has 2 units at number 3: they were 1/,
  },
  {
    what: "a read of the past",
    operations: { read: { ...operations.read, answer: { kind: "stock", seq: 2, available: 3 } } },
    rule: "time_reversed",
    says: /a read of a is of number 2: between its call and return only number 3/,
  },
  {
    what: "a read of the future",
    operations: { read: { ...operations.read, answer: { kind: "stock", seq: 4, available: 0 } } },
    rule: "time_reversed",
    says: /a read of a is of number 4/,
  },
  {
    what: "an order that was answered before another was called, and is behind it in the log",
    operations: {
      o1: operation("deduct", "o1", [5.2, 5.4], { ...units(2), ...accepted(2, 3) }),
    },
    rule: "time_reversed",
    says:
      /number 3 \(o2\) was answered at 5 ms, and number 2 \(o1\) before it in the log was called at 5.2 ms/,
  },
];

for (const { what, rule, too = [], says, ...history } of doctored) {
  Deno.test(`a doctored history is found: ${what}`, () => {
    const { violations } = checkHistory(linesOf(history));
    const found = violations.filter((violation) => violation.rule === rule);
    assert.match(found.map(({ message }) => message).join("\n"), says);
    const others = new Set(violations.map((violation) => violation.rule)).difference(new Set([rule, ...too]));
    assert.deepEqual([...others], [], JSON.stringify(violations, null, 2));
  });
}

Deno.test("stranded units are named: how many were free, and how many were refused", () => {
  const o3 = operation("deduct", "o3", [6, 7], { ...units(1), ...short(0) });
  const { stranded } = checkHistory(linesOf({ operations: { o3, o7: { ...o3, id: "o7" } } }));
  assert.deepEqual(stranded, [{ sku: "a", refusals: 2, units: 1 }]);
});

Deno.test("a refusal may be as old as the header says, and no older", () => {
  const late = { o4: operation("deduct", "o4", [11.2, 11.4], { ...units(1), ...short(0) }) };
  const rulesAt = (refusal_age_max_ms: number) => {
    const { violations } = checkHistory(linesOf({ head: { refusal_age_max_ms }, operations: late }));
    return violations.map(({ rule }) => rule);
  };
  assert.deepEqual(rulesAt(0.3), []);
  assert.deepEqual(rulesAt(0.1), ["undersell"]);
});

Deno.test("nothing is said of refusals at numbers that the log lost", () => {
  const { o1, o2, o3 } = operations;
  const lines = [
    header,
    ...[operations.stock, o1, { ...o2, ...unknown }],
    { ...o3, ...short(0) },
    movements.stock,
    movements.o1,
    { type: "lost", shard: 0, from_seq: 2, to_seq: 4 },
    { ...cursor, seq: 4 },
  ];
  const { violations, undecidable } = checkHistory(lines.map((line) => JSON.stringify(line)));
  assert.deepEqual([violations, undecidable], [[], 1]);
});

Deno.test("an order that was accepted at a lost number may be decided anew, and is counted", () => {
  const { o1, o2 } = operations;
  const lines = [
    header,
    ...[operations.stock, o1, o2],
    operation("deduct", "o2", [20, 21], { ...units(2), ...accepted(4, 1) }),
    movements.stock,
    movements.o1,
    movement(4, "deduct", "o2", -2, 1),
    { type: "lost", shard: 0, from_seq: 2, to_seq: 3 },
    { ...cursor, seq: 4 },
  ];
  const { violations, outcomes, declaredLosses } = checkHistory(lines.map((line) => JSON.stringify(line)));
  assert.deepEqual([violations, outcomes.declaredLost], [[], 1]);
  assert.deepEqual(declaredLosses, ["deduct of o2, number 3, 2 units of a"]);
});

Deno.test("an adjustment id may be used once for each SKU", () => {
  const other = movement(1, "create", "stock", 5, 5, { sku: "b", shard: 1 });
  const rest = [cursor, { type: "cursor", shard: 1, seq: 1 }];
  assert.deepEqual(checkHistory(linesOf({ movements: { other }, rest })).violations, []);
});

Deno.test("a correction stands behind the last number, under the same one", () => {
  const correction = movement(6, "correction", "fix", 2, 2, { user_id: "" });
  assert.deepEqual(checkHistory(linesOf({ movements: { correction } })).violations, []);
});

Deno.test("an incomplete history accepts sales that no operation of it asked for", () => {
  const lost = operation("deduct", "o7", [12], { ...units(1), ...unknown });
  const { violations } = checkHistory(linesOf({ head: { complete: false }, operations: { lost } }));
  assert.deepEqual(violations, []);
});

const first = JSON.stringify(header);
const bad: readonly (readonly [what: string, lines: readonly string[], says: RegExp])[] = [
  ["an empty file", [], /^line 1: .*the file is empty/],
  ["another first line", [JSON.stringify(cursor)], /^line 1: the first line must be of type 'history'/],
  ["two headers", [first, "", first], /^line 3: the first line must be/],
  ["no JSON", [first, "{"], /^line 2: a line must be JSON: it is "{"/],
  ["no object", [first, "[]"], /^line 2: a line must be a JSON object/],
  ["another version", [JSON.stringify({ ...header, version: 2 })], /^line 1: version must be 1: it is 2/],
  ["another type", [first, `{"type":"toString"}`], /^line 2: type must be one of history, /],
  [
    "a missing member",
    [first, `{"type":"cursor","shard":0}`],
    /^line 2: seq must be an integer >= 0: it is missing/,
  ],
  [
    "a line that is too long",
    [first, "x".repeat(65_537)],
    /^line 2: a line must have at most 65536 characters/,
  ],
  [
    "numbers that do not ascend",
    [first, JSON.stringify(movements.o2), JSON.stringify(movements.o1)],
    /^line 3: seq of a movement of shard 0 must ascend: it is 2 after 3/,
  ],
  [
    "a return before its call",
    [first, JSON.stringify({ ...operations.o1, returned_ms: 1 })],
    /^line 2: returned_ms must be at least called_ms/,
  ],
  [
    "units of the wrong type",
    [first, JSON.stringify({ ...operations.o1, lines: [{ sku: "a", units: "2" }] })],
    /^line 2: lines\[0\]\.units must be an integer: it is "2"/,
  ],
  [
    "an order without lines",
    [first, JSON.stringify({ ...operations.o1, lines: [] })],
    /^line 2: lines of 'deduct' must have at least one item/,
  ],
  [
    "an answer that does not fit the call",
    [first, JSON.stringify({ ...operations.read, answer: operations.o1.answer })],
    /^line 2: answer.kind of 'read' must not be 'accepted'/,
  ],
  [
    "an answer with too few quantities",
    [first, JSON.stringify({ ...operations.o1, ...accepted(2) })],
    /^line 2: answer.available must have as many items as lines: 0, not 1/,
  ],
];

for (const [what, lines, says] of bad) {
  Deno.test(`bad input names its line: ${what}`, () => {
    assert.throws(
      () => checkHistory(lines),
      (error) => error instanceof BadHistory && says.test(error.message),
    );
  });
}

Deno.test("README.md lists every rule, in the order of the code", async () => {
  const markdown = await Deno.readTextFile(new URL("../../tools/checker/README.md", import.meta.url));
  const [, section = ""] = markdown.split("\n## Rules\n");
  const listed = section.split("\n### ")[0]?.matchAll(/^\| `(\w+)`/gm) ?? [];
  assert.deepEqual([...listed].map(([, rule]) => rule), [...rules]);
});
