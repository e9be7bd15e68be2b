import { deepEqual, equal } from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { LogFields } from "./logger.ts";
import { Reminder } from "./reminder.ts";

function reminderUnderTest(overAfterMs?: number) {
  const world = new ManualWorld();
  const lines: LogFields[] = [];
  const reminder = new Reminder(world, (fields) => lines.push(fields), overAfterMs);
  /** Says each reason in turn, four times a second. */
  const lasts = async (seconds: number, ...reasons: string[]) => {
    for (let i = 0; i < seconds * 4; i++) {
      reminder.say(reasons[i % reasons.length] ?? "");
      await world.advance(250);
    }
  };
  return { world, lines, reminder, lasts };
}

Deno.test("a condition that lasts is one line, then one a minute with the attempts since", async () => {
  const { lines, reminder, lasts } = reminderUnderTest();
  await lasts(121, "away");
  deepEqual(lines, [{ why: "away" }, { why: "away", attempts: 240 }, { why: "away", attempts: 240 }]);
  deepEqual([reminder.clear(), reminder.clear()], [true, false]);
  reminder.say("away");
  deepEqual(lines.at(-1), { why: "away" }, "begins anew");
});

Deno.test("reasons that alternate are one line each, and another reason is written at once", async () => {
  const { lines, lasts } = reminderUnderTest();
  await lasts(30, "node 1", "node 2");
  deepEqual(lines, [{ why: "node 1" }, { why: "node 2" }]);
  await lasts(1, "node 3");
  deepEqual(lines.length, 3);
});

Deno.test("a condition without an end is over when it was not met for a while", async () => {
  const { world, lines, lasts } = reminderUnderTest(15_000);
  await lasts(10, "broken");
  await world.advance(14_000);
  await lasts(1, "broken");
  equal(lines.length, 1);
  await world.advance(15_000);
  await lasts(1, "broken");
  deepEqual(lines, [{ why: "broken" }, { why: "broken" }]);
});
