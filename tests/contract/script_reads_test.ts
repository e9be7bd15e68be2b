/**
 * Scripts that read: what the worker's comparison sees of a shard, how many lines a call may read, and whose shard it is.
 */
import assert from "node:assert/strict";
import { StoreError } from "../../src/domain/errors.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { adjust, armAgain, armEmpty, decide, deduct, deployment, inTime } from "./store_suite.ts";
import { prepare, reserve, returnUnits, rules, settle } from "./order_commands.ts";
import { makeRedisStore, type RedisUnderTest } from "./stores.ts";

const minute = 60_000;
const linesEach = 100;

function test(title: string, body: (under: RedisUnderTest) => Promise<void>): void {
  Deno.test(`redis: ${title}`, async () => {
    await using under = await makeRedisStore(sharedRedis().url);
    await armEmpty(under.control);
    await body(under);
  });
}

test("a comparison reads stock, lines, quotas and open reservations, and null for what there is not", async (under) => {
  const { store, reader } = under;
  await decide(store, adjust("a", "S", 10), rules("S", { quota: 5, expected: 0 }));
  await decide(store, deduct("o", "S", 2), reserve("r", { S: 1 }, minute), prepare("p", { S: 1 }));
  await decide(store, settle("abort", "p", 5));
  const { head, values: [lines, none, aborted] } = await reader.read(0, "orders", ["o", "x", "p"]);
  assert.equal(head, 6);
  assert.partialDeepStrictEqual(lines, [{ sku: "S", amount: 2, seq: 3, state: "accepted" }]);
  assert.deepEqual([none, aborted], [null, null]);
  const stock = (await reader.read(0, "stock", ["S", "T"])).values;
  assert.match(String(stock[0]), /^7 1 \{/);
  assert.equal(stock[1], null);
  const quotas = await reader.read(0, "quotas", ["user-1\x1fS", "user-9\x1fS"]);
  assert.match(String(quotas.values[0]), /^3 2$/);
  assert.equal(quotas.values[1], null);
  const [until, closed] = (await reader.read(0, "holds", ["r", "o"])).values;
  assert.ok(Number(until) > Date.now() && closed === null);
  const names = async (facet: "stock" | "orders" | "quotas" | "holds") => {
    const found: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page = await reader.names(0, facet, cursor);
      found.push(...page.names);
      cursor = page.next;
    }
    return found.sort();
  };
  assert.deepEqual(await names("stock"), ["S"]);
  assert.deepEqual(await names("orders"), ["\x01a", "o", "p", "r"]);
  assert.deepEqual(await names("quotas"), ["user-1\x1fS"]);
  assert.deepEqual(await names("holds"), ["r"]);
});

test("of an order in both generations the one that takes new lines is read", async (under) => {
  const { store, reader } = under;
  await decide(store, adjust("a", "S", 10), deduct("o", "S"));
  await under.call("COPY", under.key("orders:0"), under.key("orders:1"));
  await decide(store, deduct("o", "T"), adjust("b", "T", 5), deduct("o", "T"));
  const { values: [lines] } = await reader.read(0, "orders", ["o"]);
  assert.deepEqual(lines?.map(({ sku }) => sku), ["S", "T"]);
  await under.call("HSET", under.key("meta"), "orders_gen", 1);
  const { values: [old] } = await reader.read(0, "orders", ["o"]);
  assert.deepEqual(old?.map(({ sku }) => sku), ["S"]);
});

test("lines count where a command reads them: a repeated return, and not an order that has the name of a SKU", async ({ store }) => {
  const skus = Array.from({ length: linesEach }, (_, i) => `S${i}`);
  const amounts = Object.fromEntries(skus.map((sku) => [sku, 1]));
  const lines = skus.map((sku) => ({ sku, amount: 1 }));
  await decide(store, ...skus.map((sku) => adjust("opening", sku, 10)));
  const order = (id: string) => ({ ...deduct(id, ""), kind: "order" as const, lines });
  const kindsOf = async (...commands: Parameters<typeof inTime>[0][]) => {
    const result = await store.decide(0, commands.map(inTime));
    return result.kind === "decided" ? result.outcomes.map(({ kind }) => kind) : assert.fail(result.kind);
  };
  for (const id of ["S1", "o", "p"]) {
    await decide(store, order(id));
    await decide(store, returnUnits(id, "all", amounts));
  }
  const look = (orderId: string) => ({ kind: "lookup", orderId }) as const;
  const sku = { kind: "stock", sku: "S1" } as const;
  assert.deepEqual(await kindsOf(look("o"), look("p"), sku, deduct("S1", "S0")), [
    ...["order", "order"],
    ...["stock", "postponed"],
  ]);
  const again = (id: string) => returnUnits(id, "all", amounts);
  assert.deepEqual(await kindsOf(again("p"), again("o")), ["accepted", "postponed"]);
});

test("a caller with another number of shards is refused, and so is a sweep of a shard that is not armed or not ours", async (under) => {
  const { store, control } = under;
  await decide(store, adjust("a", "S", 10), rules("S", { quota: 5, expected: 0 }), deduct("o", "S"));
  await decide(store, rules("S", { quota: null, expected: 2 })); // what was counted is to be dropped
  await under.call("HSET", under.key("meta"), "shards", 2);
  await assert.rejects(
    store.decide(0, [inTime(adjust("b", "S", 1))]),
    (error) => error instanceof StoreError && error.code === "foreign" && /SHARDS=2/.test(error.message),
  );
  await under.call("HSET", under.key("meta"), "shards", 1);

  const counts = () => under.call("HLEN", under.key("quota"));
  const someone = "00000000-0000-4000-8000-000000000002";
  assert.deepEqual([await control.sweepQuotas(0, someone, "0"), await counts()], ["0", 1]);
  await control.disarm(0, deployment);
  assert.deepEqual([await control.sweepQuotas(0, deployment, "0"), await counts()], ["0", 1]);
  await armAgain(control, 2);
  assert.deepEqual([await control.sweepQuotas(0, deployment, "0"), await counts()], ["0", 0]);
});
