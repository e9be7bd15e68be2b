import { deepEqual, equal, ok } from "node:assert/strict";
import { realWorld } from "../../runtime/world.ts";
import { keysPerGenerationMax, TokenBuckets } from "./token_buckets.ts";

/** Buckets of 4 tokens in 1 s, on a clock that the test moves. */
function fourInASecond() {
  let nowMs = 5000;
  const buckets = new TokenBuckets({ ...realWorld, elapsedMs: () => nowMs }, { quota: 4, windowS: 1 });
  return { buckets, pass: (ms: number) => nowMs += ms };
}

Deno.test("a bucket gives its quota at once, then nothing until it has refilled for one", () => {
  const { buckets, pass } = fourInASecond();
  const atOnce = Array.from({ length: 5 }, () => buckets.take("a"));
  deepEqual(atOnce.map(({ ok, left }) => [ok, left]), [[true, 3], [true, 2], [true, 1], [true, 0], [
    false,
    0,
  ]]);
  equal(atOnce.at(-1)?.nextMs, 250);
  pass(125);
  deepEqual(buckets.take("a"), { ok: false, left: 0, nextMs: 125 });
  pass(125);
  deepEqual(buckets.take("a"), { ok: true, left: 0, nextMs: 250 });
});

Deno.test("a bucket never has more than its quota", () => {
  const { buckets, pass } = fourInASecond();
  buckets.take("a");
  pass(3_600_000);
  equal(buckets.take("a").left, 3);
});

Deno.test("each key has a bucket of its own", () => {
  const { buckets } = fourInASecond();
  for (let i = 0; i < 4; i++) buckets.take("a");
  ok(!buckets.take("a").ok);
  ok(buckets.take("b").ok);
});

Deno.test("a bucket outlives a turn of the generations while it is not full", () => {
  const { buckets, pass } = fourInASecond();
  pass(999);
  for (let i = 0; i < 4; i++) buckets.take("a");
  pass(1); // the generation is closed
  ok(!buckets.take("a").ok);
});

Deno.test("keys are forgotten after two windows, and never more than two generations are kept", () => {
  const { buckets, pass } = fourInASecond();
  for (let i = 0; i < 3 * keysPerGenerationMax; i++) buckets.take(`key ${i}`);
  ok(buckets.size <= 2 * keysPerGenerationMax, `${buckets.size}`);
  ok(buckets.size > keysPerGenerationMax);
  pass(1000);
  buckets.take("a");
  pass(1000);
  buckets.take("a");
  equal(buckets.size, 1);
});
