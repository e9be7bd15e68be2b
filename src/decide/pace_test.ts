import assert from "node:assert/strict";
import { Pace } from "./pace.ts";

const isSaturated = true;

Deno.test("pace: the time of a command is measured between answers, while others wait", () => {
  const pace = new Pace();
  assert.equal(pace.waitMs(10_000), 0, "a burst before the first answer is no overload");
  pace.answered(1, isSaturated, 1_000);
  assert.equal(pace.waitMs(10_000), 0, "what the first call took says nothing: it was alone");
  pace.answered(400, isSaturated, 1_200);
  assert.equal(pace.waitMs(1_000), 500);
});

Deno.test("pace: the first small calls of a rush are no speed of the store", () => {
  const pace = new Pace();
  let nowMs = 0;
  for (const commands of [1, 3, 4]) pace.answered(commands, isSaturated, nowMs += 60);
  assert.equal(pace.waitMs(1_000), 0, "after 120 ms");
  for (let i = 0; i < 4; i++) pace.answered(256, isSaturated, nowMs += 30);
  assert.ok(pace.waitMs(1_000) < 300, `${pace.waitMs(1_000)} ms`);
});

Deno.test("pace: a store that slows down is known after some calls, one that is fast again as soon", () => {
  const pace = new Pace();
  let nowMs = 0;
  const answer = (calls: number, ms: number) => {
    for (let i = 0; i < calls; i++) pace.answered(100, isSaturated, nowMs += ms);
  };
  answer(10, 10);
  answer(20, 100);
  assert.ok(pace.waitMs(100) > 90, `${pace.waitMs(100)} ms`);
  answer(60, 10);
  assert.ok(pace.waitMs(100) < 20, `${pace.waitMs(100)} ms`);
});

Deno.test("pace: nothing is known after a moment in which nothing waited", () => {
  const pace = new Pace();
  pace.answered(10, isSaturated, 0);
  pace.answered(10, isSaturated, 1_000);
  assert.equal(pace.waitMs(10), 1_000);
  pace.answered(5, !isSaturated, 2_000);
  assert.equal(pace.waitMs(10), 0);
  pace.answered(1, isSaturated, 60_000);
  assert.equal(pace.waitMs(10), 0, "the pause is no time of a command");
});

Deno.test("pace: a pause before a small call is no speed of the store", () => {
  const pace = new Pace();
  let nowMs = 0;
  for (let i = 0; i < 5; i++) pace.answered(400, isSaturated, nowMs += 25);
  pace.answered(3, isSaturated, nowMs += 10);
  assert.ok(pace.waitMs(1_000) < 100, `${pace.waitMs(1_000)} ms`);
  pace.answered(3, isSaturated, nowMs += 200);
  assert.ok(pace.waitMs(1_000) < 1_000, `${pace.waitMs(1_000)} ms`);
});

Deno.test("pace: answers that come together are as slow as the time before them", () => {
  const pace = new Pace();
  for (const nowMs of [320, 640, 960]) {
    for (let call = 0; call < 8; call++) pace.answered(8, isSaturated, nowMs);
  }
  assert.ok(pace.waitMs(200) > 800, `${pace.waitMs(200)} ms`);
});
