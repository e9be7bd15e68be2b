/**
 * The sold-out cache on a real stack of two API processes. What reaches the store is counted by Redis itself;
 * the worker, which asks too, is frozen meanwhile.
 */
import assert from "node:assert/strict";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Env, type Service, startStack } from "../system/stack.ts";

/** How long an API believes what it heard; section "Sold-out cache" of ARCHITECTURE. */
const TTL_MS = 1000;
const SKUS_MAX = 1000;
/** A machine that stalls for a second in the middle has outlived the cache, which proves nothing: once more. */
const ROUNDS_DEADLINE_MS = 60_000;

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly available: unknown;
  readonly replayed: boolean;
}

/** Two APIs on one Redis, and the number of script calls that Redis has seen. */
async function startPair() {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = { USER_LIMIT_MS: "0" };
  const stack = owned.use(await startStack({ redisUrl: redis.url, databaseUrl, apis: 2, env }));
  const [one, two] = stack.apis;
  assert.ok(one && two);
  const all = owned.move();
  const calls = async () =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.cli("INFO", "commandstats"))?.[1]);
  return { one, two, worker: stack.worker, calls, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Sells one unit; `attempt` is what the header says, if it is sent. */
async function buy(api: Service, sku: string, orderId: string, attempt?: string): Promise<Answer> {
  const order = { sku, user_id: "user", order_id: orderId, amount: 1 };
  const headers: Env = attempt === undefined ? {} : { "order-attempt": attempt };
  const { status, replayed, body } = await api.post("/api/v1/inventory/deduct", order, headers);
  const { code, available } = body;
  return { status, code, available, replayed };
}

async function adjust(api: Service, sku: string, delta: number): Promise<void> {
  const path = `/api/v1/inventory/${sku}/adjustments`;
  const { status, body } = await api.post(path, { adjustment_id: crypto.randomUUID(), delta });
  assert.ok(status === 200 || status === 201, JSON.stringify(body));
}

const SOLD_OUT: Answer = { status: 409, code: "insufficient_stock", available: 0, replayed: false };
const fresh = () => `order-${crypto.randomUUID()}`;

/** Runs `round` until it took less than the cache remembers, counted from its start; returns what it measured. */
async function withinTtl<T>(round: () => Promise<T>): Promise<T> {
  for (const untilMs = performance.now() + ROUNDS_DEADLINE_MS; performance.now() < untilMs;) {
    const startMs = performance.now();
    const measured = await round();
    if (performance.now() - startMs < TTL_MS) return measured;
  }
  throw new Error(`Cannot measure within ${TTL_MS} ms: every round took longer`);
}

Deno.test("sold out: a declared first attempt is refused without the store, any other is not, and a retry is accepted still", async () => {
  await using pair = await startPair();
  const { one, worker, calls } = pair;
  await adjust(one, "sku", 1);
  assert.deepEqual((await buy(one, "sku", "accepted", "1")).status, 200, "the last unit");
  worker.freeze();

  const declared = await withinTtl(async () => {
    assert.deepEqual(await buy(one, "sku", fresh()), SOLD_OUT, "which this process hears and remembers");
    const before = await calls();
    const answers = await Promise.all(Array.from({ length: 50 }, () => buy(one, "sku", fresh(), "1")));
    return { answers, calls: await calls() - before };
  });
  assert.deepEqual(declared.answers, Array(50).fill(SOLD_OUT));
  assert.equal(declared.calls, 0, "answered by the API alone");

  for (const attempt of [undefined, "2", "0"]) {
    const before = await calls();
    for (let order = 0; order < 10; order++) {
      assert.deepEqual(await buy(one, "sku", fresh(), attempt), SOLD_OUT);
    }
    assert.equal(await calls() - before, 10, `Order-Attempt: ${attempt} may be a retry: the store decides`);
  }
  const retries = await withinTtl(async () => {
    await buy(one, "sku", fresh());
    assert.deepEqual(await buy(one, "sku", fresh(), "1"), SOLD_OUT, "the cache is warm");
    return [await buy(one, "sku", "accepted"), await buy(one, "sku", "accepted", "2")];
  });
  for (const { status, replayed } of retries) assert.deepEqual([status, replayed], [200, true]);
  worker.thaw(); // what was sold reaches the ledger
});

Deno.test("sold out: a restock shows at once where it was made, and within its second everywhere", async () => {
  await using pair = await startPair();
  const { one, two } = pair;
  await adjust(one, "sku", 0);
  /** When the last order was sent that was refused after a restock: of each round that had any, ms after it. */
  const refusedMs: number[] = [];
  // A round in which the machine stalls until the cache has forgotten proves nothing.
  for (const untilMs = performance.now() + ROUNDS_DEADLINE_MS; refusedMs.length < 3;) {
    assert.ok(performance.now() < untilMs, "the cache was warm, or nothing was shown");
    assert.deepEqual(await buy(one, "sku", fresh()), SOLD_OUT);
    assert.deepEqual(await buy(one, "sku", fresh(), "1"), SOLD_OUT);
    await adjust(two, "sku", 1);
    const startMs = performance.now();
    let lastMs: number | undefined;
    await waitFor(async () => {
      const sentMs = performance.now() - startMs;
      const { status } = await buy(one, "sku", fresh(), "1");
      if (status === 409) lastMs = sentMs;
      return status === 200;
    }, { deadlineMs: ROUNDS_DEADLINE_MS, what: "a sale after the restock" });
    if (lastMs !== undefined) refusedMs.push(Math.round(lastMs));
  }
  // deno-lint-ignore no-console -- how long it took is worth knowing when it is near the bound
  console.log(`orders were refused until ${refusedMs} ms after a restock by another API`);
  assert.ok(Math.max(...refusedMs) <= TTL_MS, `${refusedMs} ms`);

  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await buy(one, "sku", fresh()), SOLD_OUT);
    assert.deepEqual(await buy(one, "sku", fresh(), "1"), SOLD_OUT, "the cache is warm");
    assert.equal((await one.get("/api/v1/inventory/sku")).body.available, 0);
    await adjust(one, "sku", 1);
    assert.equal((await one.get("/api/v1/inventory/sku")).body.available, 1);
    assert.equal((await buy(one, "sku", fresh(), "1")).status, 200, "at once");
  }
});

Deno.test("sold out: 1000 SKUs are remembered, and of more than that the latest", async () => {
  await using pair = await startPair();
  const { one, worker, calls } = pair;
  const skus = Array.from({ length: SKUS_MAX + 100 }, (_, i) => `sku-${i}`);
  await Promise.all(skus.map((sku) => adjust(one, sku, 0)));
  worker.freeze();

  const { latest, oldest } = await withinTtl(async () => {
    // In this order one after the other, so that the first hundred have made room for the last.
    for (let first = 0; first < skus.length; first += 100) await buyAll(one, skus.slice(first, first + 100));
    const before = await calls();
    await buyAll(one, [...skus.slice(100, 300), ...skus.slice(-100)]);
    const between = await calls();
    await buyAll(one, skus.slice(0, 1));
    return { latest: between - before, oldest: await calls() - between };
  });
  assert.equal(latest, 0, "the latest 1000 are known");
  assert.equal(oldest, 1, "what was first had to make room");
  worker.thaw(); // what was sold reaches the ledger
});

/** First attempts for all of `skus` at once, all of which are sold out. */
async function buyAll(api: Service, skus: readonly string[]): Promise<void> {
  const answers = await Promise.all(skus.map((sku) => buy(api, sku, fresh(), "1")));
  assert.deepEqual(answers, Array(skus.length).fill(SOLD_OUT));
}
