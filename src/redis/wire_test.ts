import { deepEqual, throws } from "node:assert/strict";
import { deduct } from "../../tests/contract/store_suite.ts";
import type { Sale } from "../domain/command.ts";
import { decodeBatch, encodeBatch } from "./wire.ts";

/** The script's arguments for these commands, one after the other. */
function encoded(...sales: readonly Sale[]): unknown[] {
  return JSON.parse(encodeBatch(sales.map((command) => ({ command, deadlineMs: 9 }))));
}

/** The numbers of the events and the stock that is left, by the script's replies; null = not sold. */
function decoded(replies: string): ([seq: number, left: readonly number[]] | null)[] {
  const result = decodeBatch(`["decided",1,9,[${replies}],0,0,0,""]`);
  if (result.kind !== "decided") throw new TypeError(`Cannot read ${result.kind}`);
  return result.outcomes.map((outcome) =>
    outcome.kind === "accepted" ? [outcome.seq, outcome.newStock] : null
  );
}

/** A sale that has the same text in each place where the script joins texts. */
function saleOf(text: string): Sale {
  return { ...deduct(text, text, 2, text), actor: text, traceparent: text };
}

Deno.test("wire: a sale whose texts JSON writes as they are is a plain sale", () => {
  for (const text of ["a", "a/b", "\u2028\u007f", "日本語-🎟️", "]],[[", "'%s'"]) {
    deepEqual(encoded(saleOf(text)), [9, text, text, text, text, text, 2, false]);
  }
});

Deno.test("wire: a sale with an escape in any text is none, and leaves the others of its batch as they are", () => {
  const sale = saleOf("a");
  const plain = [9, "a", "a", "a", "a", "a", 2, false];
  for (const text of ['"', "\\", "\n", "\ud800"]) {
    const awkward: readonly Sale[] = [
      { ...sale, orderId: text },
      { ...sale, userId: text },
      { ...sale, actor: text },
      { ...sale, traceparent: text },
      { ...sale, lines: [{ sku: text, amount: 2 }] },
    ];
    for (const other of awkward) {
      const { orderId, userId, actor, traceparent, lines: [line] } = other;
      const texts = [orderId, userId, actor, traceparent];
      const whole = ["deduct", 9, ...texts, [[line?.sku, 2]], 0, false];
      deepEqual(encoded(sale, other, sale), [...plain, whole, ...plain]);
    }
  }
});

Deno.test("wire: a number is sold by the event after that of the plain sale before it, whatever was between them", () => {
  deepEqual(decoded('["sold",7,3],2'), [[7, [3]], [8, [2]]]);
  const others = '["replayed",2,[9],0],["insufficient","S",0],["accepted",5,[1],0],["late"]';
  deepEqual(decoded(`["sold",7,3],${others},2,["sold",11,1],0`), [
    ...[[7, [3]], [2, [9]], null, [5, [1]], null, [8, [2]]],
    ...[[11, [1]], [12, [0]]],
  ]);
  throws(() => decoded("5,4"), TypeError);
  throws(() => decoded('["accepted",7,[3],0],5'), TypeError);
  throws(() => decoded("[3]"), TypeError);
  throws(() => decoded('"sold"'), TypeError);
});
