/**
 * Stopping: what is under way is answered and applied, and what was held is given back.
 */
import assert from "node:assert/strict";
import { startProxy } from "../../tools/proxy.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "./ledger_audit.ts";
import { LoadClients } from "./load_clients.ts";
import { HttpConnection } from "./http_connection.ts";
import { planOrders, runSeed } from "./plan.ts";
import { Service, type Stack, startStack } from "./stack.ts";

const IN_FLIGHT = 50;
const ANSWER_DEADLINE_MS = 8_000;
const STEP_DEADLINE_MS = 60_000;
/** What is promised when a lease is given back; a lease that must first be missed takes 3 to 5 s. */
const TAKEOVER_MAX_MS = 1_000;
/** The best of them is what a takeover costs, the others tell how busy the machine is; it ends when one is good enough. */
const TAKEOVERS_MAX = 10;

/** Ctrl-C under `npx` reaches the server twice in the same millisecond: that is one wish. */
const SIGNALS: readonly (readonly Deno.Signal[])[] = [["SIGTERM"], ["SIGINT"], ["SIGINT", "SIGINT"]];

for (const signals of SIGNALS) {
  Deno.test(`api: ${signals.join(" and ")} answers what is in flight, then exits with 0`, async () => {
    await using redis = await startRedis();
    await using proxy = startProxy(redis.port);
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using _worker = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
    await using api = await Service.start("api", { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
    await api.ready();
    await stockUp(api, new Map([["sku", 1000]]));
    using connections = new DisposableStack();
    const buyers = await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
      const connection = await HttpConnection.open(api.url, ANSWER_DEADLINE_MS);
      connections.defer(() => connection.close());
      return connection;
    }));
    const buyAll = (round: string) =>
      Promise.all(buyers.map((buyer, index) => {
        const id = `${round}-${index}`;
        const order = { sku: "sku", user_id: id, order_id: id, amount: 1 };
        return buyer.post("/api/v1/inventory/deduct", order);
      }));
    await buyAll("first"); // now every connection is known to the server

    proxy.stallReplies();
    const answers = buyAll("second");
    // Redis has sold to one of them, and the process has read what came before this look at it.
    await waitFor(async () => await seqOf(redis) > 1 + IN_FLIGHT, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "an order in flight",
    });
    assert.equal((await api.get("/livez")).status, 200);
    for (const signal of signals) api.signal(signal);
    await waitFor(() => api.logged("stopping").length > 0, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "the stop",
    });
    // Once more, surely apart from the first, as two signals that come together may be one to a process.
    if (signals.length > 1) api.signal("SIGINT");
    proxy.resume();

    assert.deepEqual((await answers).map(({ status }) => status), Array(IN_FLIGHT).fill(200));
    const { code, output } = await api.ended();
    assert.equal(code, 0, output);
    assert.match(output, /"message":"stopped"/);
    assert.equal(await redis.cli("HGET", "{inventory:0}:stock", "sku"), `${1000 - 2 * IN_FLIGHT} 0`);
  });
}

async function seqOf(redis: { cli(...args: string[]): Promise<string> }): Promise<number> {
  return Number(await redis.cli("HGET", "{inventory:0}:meta", "seq"));
}

/** Two workers; which of them has the lease. */
async function leaseholder({ workers }: Stack): Promise<{ holder: Service; other: Service }> {
  const [one, two] = workers;
  assert.ok(one && two);
  await waitFor(() => armed(one) + armed(two) > 0, { deadlineMs: STEP_DEADLINE_MS, what: "an armed shard" });
  // A worker that came first may have given the shard to the other one: the last to arm it has it.
  const lastArmed = (worker: Service) =>
    Date.parse(String(worker.logged("shard armed").at(-1)?.time ?? "1970-01-01"));
  return lastArmed(one) > lastArmed(two) ? { holder: one, other: two } : { holder: two, other: one };
}

function armed(worker: Service): number {
  return worker.logged("shard armed").length;
}

/** Milliseconds from the signals until the other worker has armed the shard. */
async function takeoverMs(holder: Service, other: Service, signals: readonly Deno.Signal[]): Promise<number> {
  const before = armed(other);
  const startMs = performance.now();
  for (const signal of signals) holder.signal(signal);
  await waitFor(() => armed(other) > before, {
    deadlineMs: STEP_DEADLINE_MS,
    what: "another worker's arming",
  })
    .catch((error) => {
      throw new Error(`${error.message}, which says:\n${other.output()}`, { cause: error });
    });
  return Math.round(performance.now() - startMs);
}

for (const signals of SIGNALS) {
  Deno.test(`worker: ${signals.join(" and ")} gives the lease back, and another takes over at once`, async () => {
    await using redis = await startRedis();
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using stack = await startStack({ redisUrl: redis.url, databaseUrl, workers: 2 });
    const times: number[] = [];
    while (times.length < TAKEOVERS_MAX && Math.min(...times) >= TAKEOVER_MAX_MS) {
      const { holder, other } = await leaseholder(stack);
      times.push(await takeoverMs(holder, other, signals));
      const { code, output } = await holder.ended();
      assert.equal(code, 0, output);
      if (Math.min(...times) >= TAKEOVER_MAX_MS) await holder.restart();
    }
    // deno-lint-ignore no-console -- how long it took is worth knowing when it is near the bound
    console.log(`taken over in ${times} ms`);
    assert.ok(Math.min(...times) < TAKEOVER_MAX_MS, `${times} ms`);
  });
}

Deno.test("worker: a takeover in the middle of a rush stops no sale and loses no line", async () => {
  const seed = runSeed();
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl, workers: 2 });
  const { holder, other } = await leaseholder(stack);
  const skus = ["hot-1", "hot-2", "hot-3", "hot-4"];
  const initial = new Map(skus.map((sku) => [sku, 1_000_000]));
  const history = await stockUp(stack.api, initial);
  const orders = planOrders({ seed, orders: 300_000, skus, users: 300_000 });
  // Few buyers: the rush must last until another worker has taken over.
  await using clients = new LoadClients({ orders, urls: [stack.api.url], connections: 8, history });
  const rush = clients.rush();
  await clients.answeredAtLeast(2000);
  const ms = await takeoverMs(holder, other, ["SIGTERM"]);
  clients.stop();
  await rush;
  assert.equal((await holder.ended()).code, 0);
  await clients.settle();

  const stock = await stockOf(stack.api, skus);
  const tables = await readLedger({ databaseUrl }, stock);
  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(`seed ${seed}, ${clients.ordersPerSecond} orders/s: taken over in ${ms} ms`);
  assertLedger({ orders, heard: clients.heard, initial, left: unitsOf(stock), history }, tables);
  assert.equal(clients.count("unknown"), 0, "selling goes on while no worker has the lease");
});
