import assert from "node:assert/strict";
import type { InventoryEvent, LogEntry } from "../domain/event.ts";
import { partsOf } from "./movements.ts";

function event(seq: number, lines: number, reason = ""): InventoryEvent {
  const fields = { kind: "expire", id: `o-${seq}`, userId: "u", actor: "", traceparent: "", reference: "" };
  const line = { sku: "S", delta: 1, reservedDelta: -1, available: 1, reserved: 1 };
  return { ...fields, seq, reason, data: {}, atMs: 0, lines: Array.from({ length: lines }, () => line) };
}

function entry(epoch: number, ...events: InventoryEvent[]): LogEntry {
  return { position: { epoch, seq: events.at(-1)?.seq ?? 0 }, events };
}

const linesOf = (entries: readonly LogEntry[]) =>
  entries.flatMap(({ events }) => events).reduce((sum, { lines }) => sum + lines.length, 0);

Deno.test("movements: what fits into one transaction stays as it is", () => {
  const entries = [entry(1, event(1, 100), event(2, 1)), entry(2, event(3, 5))];
  assert.deepEqual([...partsOf(entries)], [entries]);
  assert.deepEqual([...partsOf([])], []);
});

Deno.test("movements: entries are cut between two events where they have too many lines", () => {
  let seq = 0;
  const events = (count: number) => Array.from({ length: count }, () => event(++seq, 100));
  const entries = [entry(1, ...events(10)), entry(1, ...events(700)), entry(2, ...events(20))];
  const parts = [...partsOf(entries)];
  assert.ok(parts.length > 4);
  for (const part of parts) {
    assert.ok(linesOf(part) < 16_384 + 100, `${linesOf(part)} lines`);
    for (const { position, events } of part) assert.equal(position.seq, events.at(-1)?.seq);
  }
  const flat = (all: readonly LogEntry[]) =>
    all.flatMap(({ position, events }) => events.map(({ seq }) => [position.epoch, seq]));
  assert.deepEqual(flat(parts.flat()), flat(entries));
});

Deno.test("movements: long texts count, because every line of an event repeats them", () => {
  const entries = [entry(1, ...Array.from({ length: 300 }, (_, i) => event(i + 1, 100, "x".repeat(1000))))];
  const parts = [...partsOf(entries)];
  for (const part of parts) {
    const chars = JSON.stringify(part).length + 1000 * linesOf(part);
    assert.ok(chars < 10_000_000, `${chars} characters`);
  }
  assert.ok(parts.length >= 4);
});

Deno.test("movements: each of the texts counts alike", () => {
  const partsWith = (fields: Partial<InventoryEvent>) => {
    const events = Array.from(
      { length: 300 },
      (_, i) => ({ ...event(i + 1, 100), id: "", userId: "", ...fields }),
    );
    return [...partsOf([entry(1, ...events)])].map(linesOf);
  };
  const text = "x".repeat(1000);
  const expected = partsWith({ reason: text });
  for (const name of ["id", "userId", "actor", "traceparent", "reference"] as const) {
    assert.deepEqual(partsWith({ [name]: text }), expected, name);
  }
});

Deno.test("movements: an entry that ends where a part does leaves no empty one behind", () => {
  const parts = [...partsOf([entry(1, event(1, 16_384)), entry(1, event(2, 1))])];
  assert.deepEqual(parts.map((part) => part.map(({ events }) => events.length)), [[1], [1]]);
  const text = "x".repeat(1700 - "o-1u".length); // 4000 lines of 300 + 1700 characters
  assert.equal([...partsOf([entry(1, event(1, 4000, text)), entry(1, event(2, 1))])].length, 2);
});
