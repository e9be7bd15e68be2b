/** When a rate counts as held. */
import assert from "node:assert/strict";
import { holds } from "./rate_point.ts";

Deno.test("bench: a rate is held below the bound, with every order sent and accepted", () => {
  const good = { p99: 49.9, failed: 0, unsent: 0 };
  assert.ok(holds(good, 50));
  for (const bad of [{ p99: 50 }, { failed: 1 }, { unsent: 1 }, { p99: NaN }]) {
    assert.ok(!holds({ ...good, ...bad }, 50), JSON.stringify(bad));
  }
});
