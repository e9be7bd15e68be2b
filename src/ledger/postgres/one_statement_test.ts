import assert from "node:assert/strict";
import type { InventoryEvent } from "../../domain/event.ts";
import { oneStatementFor } from "./one_statement.ts";

function paramsOf(fields: Partial<InventoryEvent>) {
  const event: InventoryEvent = {
    ...{ seq: 7, kind: "deduct", id: "order-7", userId: "user", actor: "", traceparent: "", reason: "" },
    ...{ reference: "", data: {}, atMs: 1000 },
    lines: [{ sku: "S", delta: -1, reservedDelta: 0, available: 3, reserved: 0 }],
    ...fields,
  };
  return oneStatementFor("apply", 2, [{ ...event, epoch: 5 }])?.params;
}

Deno.test("one statement: an array a column, null for texts that are all empty", () => {
  const arrays = [
    "{7}",
    "{0}",
    "{5}",
    '{"deduct"}',
    '{"order-7"}',
    '{"user"}',
    '{"S"}',
    "{-1}",
    "{0}",
    "{3}",
    "{0}",
  ];
  assert.deepEqual(paramsOf({}), [2, 5, 7, ...arrays, null, null, null, null, null, "{1000}"]);
});

Deno.test("one statement: texts of the event are repeated in each line", () => {
  const line = { delta: -1, reservedDelta: 0, available: 3, reserved: 0 };
  const params = paramsOf({ lines: [{ sku: "S", ...line }, { sku: "T", ...line }] });
  assert.deepEqual(params?.slice(3, 10), [
    ...["{7,7}", "{0,1}", "{5,5}", '{"deduct","deduct"}', '{"order-7","order-7"}', '{"user","user"}'],
    '{"S","T"}',
  ]);
});

Deno.test("one statement: quotes and backslashes are escaped as PostgreSQL reads them", () => {
  assert.equal(paramsOf({ userId: 'a"b\\c\n' })?.[8], '{"a\\"b\\\\c\n"}');
  assert.equal(paramsOf({ data: { hold: 5 } })?.[18], '{"{\\"hold\\":5}"}');
});

Deno.test("one statement: none for rules of SKUs, nor for texts that PostgreSQL cannot store", () => {
  assert.equal(paramsOf({ data: { policy: {} } }), undefined);
  assert.equal(paramsOf({ userId: "a\0" }), undefined);
  assert.equal(paramsOf({ id: "\uD800" }), undefined);
});
