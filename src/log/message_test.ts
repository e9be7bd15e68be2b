import assert from "node:assert/strict";
import type { InventoryEvent, LogEntry } from "../domain/event.ts";
import { decodeMessage, encodeJump, encodeMessages, ForeignMessage, jumpFrom } from "./message.ts";

const origin = { shard: 3, deployment: "d" };

function event(seq: number, fields: Partial<InventoryEvent> = {}): InventoryEvent {
  const lines = [{ sku: "S", delta: -1, reservedDelta: 0, available: 9, reserved: 0 }];
  const none = { actor: "", traceparent: "", reason: "", reference: "", data: {}, atMs: 5 };
  return { seq, kind: "deduct", id: `o-${seq}`, userId: "u", lines, ...none, ...fields };
}

function entry(firstSeq: number, count: number, fields?: Partial<InventoryEvent>): LogEntry {
  const events = Array.from({ length: count }, (_, i) => event(firstSeq + i, fields));
  return { position: { epoch: 2, seq: firstSeq + count - 1 }, events };
}

Deno.test("message: an entry that is too long is split, and each part has the number of its own last event as key", () => {
  const whole = entry(11, 5);
  const charsMax = JSON.stringify(whole.events).length / 3;
  const messages = encodeMessages(whole, origin, charsMax);
  const parts = messages.map((message) => decodeMessage(message, origin));
  assert.ok(messages.length > 2, `${messages.length} messages`);
  assert.deepEqual(parts.flatMap(({ events }) => events), whole.events);
  for (const [i, { position, events }] of parts.entries()) {
    assert.deepEqual(position, { epoch: 2, seq: events.at(-1)?.seq });
    assert.equal(messages[i]?.key, `2-${events.at(-1)?.seq}`);
  }
});

Deno.test("message: halves of 3 of 5 events are keyed by 2 and 5, and one event is never split", () => {
  const keysOf = (whole: LogEntry, charsMax: number) =>
    encodeMessages(whole, origin, charsMax).map(({ key }) => key);
  const [all = assert.fail()] = encodeMessages(entry(1, 5), origin, Infinity);
  assert.deepEqual(keysOf(entry(1, 5), all.value.length), ["2-5"]);
  assert.deepEqual(keysOf(entry(1, 5), all.value.length - 1), ["2-2", "2-5"]);
  assert.deepEqual(keysOf(entry(1, 5), 1), ["2-1", "2-2", "2-3", "2-4", "2-5"]);
});

Deno.test("message: every member of an event comes back as it was", () => {
  const full = entry(1, 1, {
    ...{ kind: "reserve", actor: "till", traceparent: "00-1-2-01", reason: "why", reference: "r" },
    data: { expires: 7, hold: 6, policy: { quota: 2, opens: 1 } },
  });
  const [message = assert.fail()] = encodeMessages(full, origin, Infinity);
  assert.deepEqual(decodeMessage(message, origin), full);
  assert.deepEqual(message.headers, { schema: "1", deployment: "d", traceparent: "00-1-2-01" });
});

Deno.test("message: a traceparent is a header only when all events have it", () => {
  const [first, second] = [event(1, { traceparent: "00-1-2-01" }), event(2, { traceparent: "00-3-4-01" })];
  const headersOf = (...events: InventoryEvent[]) =>
    encodeMessages({ position: { epoch: 1, seq: 2 }, events }, origin, Infinity)[0]?.headers.traceparent;
  assert.equal(headersOf(first, { ...second, traceparent: "00-1-2-01" }), "00-1-2-01");
  assert.equal(headersOf(first, second), undefined);
});

Deno.test("message: a jump names the missing numbers, and differs from an event", () => {
  const jump = decodeMessage(encodeJump(4, { epoch: 3, seq: 9 }, origin, 5), origin);
  assert.deepEqual([jump.position, jumpFrom(jump)], [{ epoch: 3, seq: 9 }, 4]);
  assert.equal(jumpFrom(entry(1, 1)), undefined);
  const [unnamed = assert.fail()] = jump.events;
  const before = { ...jump, events: [{ ...unnamed, data: {} }] };
  assert.equal(jumpFrom(before), 8, "without its first number it has one");
});

Deno.test("message: of another deployment, shard or schema, or without its numbers, it is refused by name", () => {
  const [message = assert.fail()] = encodeMessages(entry(1, 1), origin, Infinity);
  assert.throws(() => decodeMessage(message, { ...origin, deployment: "e" }), ForeignMessage);
  assert.throws(() => decodeMessage(message, { ...origin, shard: 4 }), ForeignMessage);
  const schema = { ...message, headers: { ...message.headers, schema: "2" } };
  assert.throws(() => decodeMessage(schema, origin), /its schema is '2', not '1'/);
  const body = JSON.parse(message.value);
  for (const broken of [{ ...body, epoch: "2" }, { ...body, at_ms: null }, { ...body, events: [] }]) {
    const value = JSON.stringify(broken);
    assert.throws(
      () => decodeMessage({ ...message, value }, origin),
      /its epoch, its time or its events are missing/,
    );
  }
});

Deno.test("message: an event without its kind, its number or its lines is refused by name", () => {
  const [message = assert.fail()] = encodeMessages(entry(1, 2), origin, Infinity);
  const body = JSON.parse(message.value);
  for (const missing of ["kind", "seq", "lines"]) {
    const events = [{ ...body.events[0], [missing]: null }, body.events[1]];
    const value = JSON.stringify({ ...body, events });
    assert.throws(() => decodeMessage({ ...message, value }, origin), /number, kind or lines/, missing);
  }
});
