/**
 * Baskets of several shards: a process dies at any step, and every shard sells its lines or none does. The order's next
 * attempt is answered.
 */
import assert from "node:assert/strict";
import type { Outcome } from "../../src/domain/outcome.ts";
import {
  type BasketSite,
  type Death,
  embeddedSite,
  serverSite,
  type Step,
  unitsEach,
} from "../contract/basket_site.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { FIXTURE_OPTIONS } from "./worker_fixture.ts";

/** Of the shards 0, 1 and 2. */
const amounts = [2, 3, 0];
/** More than there is in shard 1. */
const tooMany = [1, 1000, 0];
const left = unitsEach;

const makers: readonly { readonly name: string; make(): Promise<BasketSite> }[] = [
  { name: "embedded", make: embeddedSite },
  { name: "Redis", make: () => serverSite({ redis: sharedRedis("redis").url }) },
];

/** Steps of a basket that is sold, and of one that is refused in shard 1. */
const sold: readonly Step[] = ["begin", "look", "prepare-0", "prepare-1", "commit", "commit-0", "commit-1"];
const refused: readonly Step[] = ["abort", "abort-0"];
const deaths = (steps: readonly Step[]) =>
  steps.flatMap((step): Death[] => [{ step, moment: "before" }, { step, moment: "after" }]);

/** Sends a basket until it is decided. */
async function untilDecided(site: BasketSite, orderId: string, units: readonly number[]): Promise<Outcome> {
  const api = site.api();
  let outcome: Outcome = { kind: "overloaded" };
  await waitFor(async () => {
    outcome = await api.submit(site.basket(orderId, units));
    if (outcome.kind === "outcome_unknown") assert.ok(outcome.deadlineMs < Date.now() + 5000, "it says when");
    return outcome.kind === "accepted" || outcome.kind === "insufficient";
  }, { deadlineMs: 30_000, what: `a decision on ${orderId}` });
  return outcome;
}

for (const { name, make } of makers) {
  Deno.test(
    `${name}: a basket of several shards is sold whole, repeated, and refused whole`,
    FIXTURE_OPTIONS,
    async () => {
      await using site = await make();
      const api = site.api();
      const first = await api.submit(site.basket("order", [2, 3, 1]));
      assert.ok(first.kind === "accepted" && !first.replayed, first.kind);
      assert.deepEqual(first.newStock, [left - 2, left - 3, left - 1]);
      assert.deepEqual(await site.stock(), [[left - 2, 0], [left - 3, 0], [left - 1, 0]]);
      // At once, while its decision is recorded, and when only the lines are left.
      assert.deepEqual(await api.submit(site.basket("order", [2, 3, 1])), { ...first, replayed: true });
      await waitFor(async () => await site.ledger.baskets.find("order") === undefined, {
        deadlineMs: 60_000,
        what: "the decision to be deleted",
      });
      assert.deepEqual(await site.api().submit(site.basket("order", [2, 3, 1])), {
        ...first,
        replayed: true,
      });
      for (const other of [[2, 3, 2], [2, 3, 0], [1, 3, 1]]) {
        assert.equal((await api.submit(site.basket("order", other))).kind, "conflict", String(other));
      }
      assert.equal((await api.submit(site.basket("order", [2, 3, 1], "user-2"))).kind, "conflict");
      const found = await api.findOrder("order");
      assert.ok(found.kind === "order_found");
      assert.deepEqual(found.lines.map(({ state, units }) => [state, units]), [["accepted", 2], [
        "accepted",
        3,
      ], ["accepted", 1]]);
      const before = await site.stock();
      const none = await api.submit(site.basket("large", [1, 1, left]));
      assert.deepEqual(none, { kind: "insufficient", sku: site.skus[2], available: left - 1 });
      assert.deepEqual(await site.stock(), before);
      assert.equal((await api.submit(site.basket("large", [1, 1, 1]))).kind, "accepted");
      const back = await api.submit({
        ...{ kind: "return", orderId: "order", returnId: "r", reason: "", ledger: null, owner: "" },
        ...{ lines: [{ sku: site.skus[1] ?? "", amount: 3 }], actor: "till", traceparent: "" },
      });
      assert.equal(back.kind, "accepted");
    },
  );

  Deno.test(
    `${name}: an API that dies at any step of a basket leaves all or nothing of it`,
    FIXTURE_OPTIONS,
    () => onSites(make, [...deaths(sold), ...deaths(refused)], apiDies),
  );

  Deno.test(
    `${name}: all processes die at a step of a basket, and what was prepared is decided`,
    FIXTURE_OPTIONS,
    () => onSites(make, deaths(["prepare-0", "prepare-1", "commit", "commit-0"]), allDie),
  );
}

/** Each death waits for seconds until what was prepared is decided: so several sites have their share of them at once. */
const SITES = 6;

/** Runs each death on one of several sites, which has others before it and others after it. */
async function onSites(
  make: () => Promise<BasketSite>,
  all: readonly Death[],
  strike: (site: BasketSite, death: Death, expected: number[]) => Promise<void>,
): Promise<void> {
  const shares = Array.from({ length: SITES }, (_, share) => all.filter((_, n) => n % SITES === share));
  await Promise.all(shares.map(async (share) => {
    await using site = await make();
    const expected = [left, left, left];
    for (const death of share) {
      await refill(site, expected);
      await strike(site, death, expected);
    }
  }));
}

/** An API dies in a basket: after it every shard has all of it or none, and the order's next attempt is answered. */
async function apiDies(site: BasketSite, death: Death, expected: number[]): Promise<void> {
  const what = `${death.moment} ${death.step}`;
  const orderId = `order-${death.step}-${death.moment}`;
  const units = refused.includes(death.step) ? tooMany : amounts;
  await site.api(death).submit(site.basket(orderId, units));
  await site.settled();
  const isSold = await assertWhole(site, expected, what);
  const mustBeSold = death.step.startsWith("commit") &&
    !(death.step === "commit" && death.moment === "before");
  assert.equal(isSold, mustBeSold, what);
  const answer = await untilDecided(site, orderId, units);
  if (units === tooMany) {
    assert.equal(answer.kind, "insufficient", what);
  } else {
    assert.ok(answer.kind === "accepted" && answer.replayed === isSold, `${what}: ${JSON.stringify(answer)}`);
    await site.settled();
    amounts.forEach((amount, shard) => expected[shard] = (expected[shard] ?? 0) - amount);
  }
  assert.deepEqual((await site.stock()).map(([available]) => available), expected, what);
}

/** All processes die in a basket, and start again. */
async function allDie(site: BasketSite, death: Death, expected: number[]): Promise<void> {
  const orderId = `order-${death.step}-${death.moment}`;
  await site.dieAt(death, site.basket(orderId, amounts));
  await site.restart();
  await site.settled();
  const isSold = await assertWhole(site, expected, orderId);
  const answer = await untilDecided(site, orderId, amounts);
  assert.ok(answer.kind === "accepted" && (answer.replayed || !isSold), orderId);
  amounts.forEach((amount, shard) => expected[shard] = (expected[shard] ?? 0) - amount);
  await site.settled();
  assert.deepEqual((await site.stock()).map(([available]) => available), expected, orderId);
}

Deno.test(
  "Redis: a shard that is rebuilt has its prepared lines, and the decision on them is carried out",
  FIXTURE_OPTIONS,
  async () => {
    await using site = await serverSite({ redis: sharedRedis("redis").url });
    for (const [orderId, step] of [["sold", "commit-1"], ["aborted", "commit"]] as const) {
      await site.dieAt({ step, moment: "before" }, site.basket(orderId, amounts));
      await site.lose(1);
      await site.settled();
    }
    assert.deepEqual(await site.stock(), [[left - 2, 0], [left - 3, 0], [left, 0]]);
  },
);

/** Returns whether a basket was sold: in every shard, or in none. */
async function assertWhole(site: BasketSite, before: readonly number[], what: string): Promise<boolean> {
  const stock = await site.stock();
  const shards = amounts.map((amount, shard) => (before[shard] ?? 0) - (stock[shard]?.[0] ?? 0) === amount);
  const untouched = stock.every(([available], shard) => available === before[shard]);
  assert.ok(
    untouched || shards.every((isSold) => isSold),
    `${what}: ${JSON.stringify(stock)} after ${before}`,
  );
  assert.ok(stock.every(([, reserved]) => reserved === 0), what);
  return !untouched;
}

/** Puts units back, so that there is something to sell. */
async function refill(site: BasketSite, expected: number[]): Promise<void> {
  const api = site.api();
  for (const [shard, sku] of site.skus.entries()) {
    const delta = left - (expected[shard] ?? 0);
    const adjustmentId = `refill-${crypto.randomUUID()}`;
    const note = { reason: "", reference: "", actor: "keeper", traceparent: "" };
    const outcome = await api.submit({ kind: "adjust", adjustmentId, sku, delta, ...note });
    assert.equal(outcome.kind, "accepted");
    expected[shard] = left;
  }
}
