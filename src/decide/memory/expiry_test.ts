import assert from "node:assert/strict";
import fc from "fast-check";
import { ExpiryQueue } from "./expiry.ts";

type Step = readonly ["set" | "delete", id: string, atMs: number];

const anySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(
    fc.constantFrom("set" as const, "set" as const, "set" as const, "delete" as const),
    fc.constantFrom("a", "b", "é", "z", "日", "c", "d"),
    fc.integer({ min: 1, max: 5 }),
  ),
  { maxLength: 60 },
);

const byBytes = ([a, x]: [string, number], [b, y]: [string, number]) =>
  x - y || Buffer.compare(Buffer.from(a), Buffer.from(b));

Deno.test("expiry: the first that is due is that of a sorted list, after any changes", () => {
  fc.assert(fc.property(anySteps, (steps) => {
    const [queue, times] = [new ExpiryQueue(), new Map<string, number>()];
    for (const [step, id, atMs] of steps) {
      if (step === "set") {
        queue.set(id, atMs);
        times.set(id, atMs);
      } else {
        queue.delete(id);
        times.delete(id);
      }
      const [first] = [...times].sort(byBytes);
      assert.equal(queue.firstDue(5), first?.[0]);
      assert.equal(queue.firstDue((first?.[1] ?? 0) - 1), undefined);
    }
    for (const [id] of [...times].sort(byBytes)) {
      assert.equal(queue.firstDue(5), id);
      queue.delete(id);
    }
  }));
});

Deno.test("expiry: an order that is extended for ever does not make the queue grow", () => {
  const queue = new ExpiryQueue();
  queue.set("other", 1_000_000);
  for (let i = 0; i < 100_000; i++) queue.set("one", i);
  assert.equal(queue.get("one"), 99_999);
  assert.ok(queue.entries < 2000, `${queue.entries} entries`);
});
