import { deepEqual, equal } from "node:assert/strict";
import { loadConfig } from "../../runtime/settings/config.ts";
import { realWorld } from "../../runtime/world.ts";
import { createFairPlay } from "./fair_play.ts";

/** Fair play as `env` configures it, on a clock that the test moves; what it says is status or headers. */
function fairPlay(env: Record<string, string>) {
  let nowMs = 0;
  const rules = createFairPlay(loadConfig(env).fairPlay, { ...realWorld, elapsedMs: () => nowMs });
  const judge = (userId: string, address: string) => {
    const verdict = rules?.judge(userId, address);
    if (verdict === undefined) throw new TypeError("Cannot judge as no rule is on");
    return verdict.kind === "refused" ? verdict.answer : verdict.value;
  };
  const code = (userId: string, address: string) => {
    const verdict = rules?.judge(userId, address);
    return verdict?.kind === "refused" ? verdict.answer.body.code : undefined;
  };
  return { rules, judge, code, pass: (ms: number) => nowMs += ms };
}

Deno.test("nothing is on by default", () => {
  equal(fairPlay({}).rules, null);
  equal(fairPlay({ TRUST_PROXY: "1", RATE_LIMIT_BY: "user_id" }).rules, null);
});

Deno.test("the rate limit counts by address, and tells where the buyer stands", () => {
  const { judge, code, pass } = fairPlay({ RATE_LIMIT: "2/4" });
  const policy = { "ratelimit-policy": '"buyer";q=2;w=4' };
  deepEqual(judge("u1", "203.0.113.7"), { ...policy, ratelimit: '"buyer";r=1;t=2' });
  deepEqual(judge("u2", "203.0.113.7"), { ...policy, ratelimit: '"buyer";r=0;t=2' });
  pass(500);
  const { status, headers, body } = judge("u3", "203.0.113.7");
  deepEqual([status, (body as Record<string, unknown>).code], [429, "too_many_requests"]);
  deepEqual((body as Record<string, unknown>).retry_after_ms, 1500);
  deepEqual(headers, {
    "content-type": "application/problem+json",
    "x-content-type-options": "nosniff",
    "retry-after": "2",
    ...policy,
    ratelimit: '"buyer";r=0;t=2',
  });
  equal(code("u1", "203.0.113.8"), undefined);
});

Deno.test("an IPv6 buyer is his /64, an IPv4 buyer one address", () => {
  const { code } = fairPlay({ RATE_LIMIT: "1/60" });
  equal(code("u", "2001:db8:0:1::7"), undefined);
  equal(code("u", "2001:db8:0:1:ffff::1"), "too_many_requests");
  equal(code("u", "2001:db8:0:2::7"), undefined);
  equal(code("u", "203.0.113.7"), undefined);
  equal(code("u", "203.0.113.8"), undefined);
});

Deno.test("one address is one buyer however it is written, and all that is no address is one buyer", () => {
  const { code } = fairPlay({ RATE_LIMIT: "1/60" });
  equal(code("u", "203.0.113.7"), undefined);
  equal(code("u", "::ffff:203.0.113.7"), "too_many_requests");
  equal(code("u", "unknown"), undefined);
  equal(code("u", "x".repeat(10_000)), "too_many_requests");
});

Deno.test("the rate limit counts by user where all come from one address", () => {
  const { code } = fairPlay({ RATE_LIMIT: "1/60", RATE_LIMIT_BY: "user_id" });
  equal(code("u1", "203.0.113.7"), undefined);
  equal(code("u2", "203.0.113.7"), undefined);
  equal(code("u1", "203.0.113.8"), "too_many_requests");
});

Deno.test("a buyer who is blocked by user, address or network may not buy; others may", () => {
  const { code } = fairPlay({ BLOCKED: "user:bot,203.0.113.7,198.51.100.0/24,2001:db8::/32" });
  const blocked = [["bot", ""], ["bot", "1.2.3.4"], ["u", "203.0.113.7"], ["u", "198.51.100.200"]] as const;
  for (const [userId, address] of blocked) equal(code(userId, address), "blocked", `${userId} ${address}`);
  equal(code("u", "::ffff:203.0.113.7"), "blocked");
  equal(code("u", "2001:db8:ffff::1"), "blocked");
  const free = [["Bot", ""], ["u", "203.0.113.8"], ["u", "2001:db9::1"], ["u", ""], [
    "u",
    "no address",
  ]] as const;
  for (const [userId, address] of free) equal(code(userId, address), undefined, `${userId} ${address}`);
});

Deno.test("who is blocked takes nothing from the bucket that others share with him", () => {
  const { code } = fairPlay({ BLOCKED: "user:bot", RATE_LIMIT: "1/60" });
  equal(code("bot", "203.0.113.7"), "blocked");
  equal(code("u", "203.0.113.7"), undefined);
  equal(code("u", "203.0.113.7"), "too_many_requests");
});
