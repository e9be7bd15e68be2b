/**
 * An answer that did not come in time: it is said so in time, nothing is sold late, and the same order again
 * learns the truth.
 */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { startProxy } from "../../tools/proxy.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { readLedger, stockOf, stockUp } from "../system/ledger_audit.ts";
import { HttpConnection } from "../system/http_connection.ts";
import { runSeed } from "../system/plan.ts";
import { Service } from "../system/stack.ts";
import { startForwarder } from "./forwarder.ts";
import { clientsNamed, position } from "./redis_state.ts";
import { note } from "./fault_scenario.ts";

const REQUEST_TIMEOUT_MS = 500;
/** On a busy machine; 500 ms and a few are seen on a quiet one. One that waits for Redis would have no answer at all. */
const ANSWER_MAX_MS = 10 * REQUEST_TIMEOUT_MS;
const BUYERS = 100;
/** Each takes REQUEST_TIMEOUT_MS on a frozen Redis. */
const ROUNDS = 4;
const STEP_DEADLINE_MS = 60_000;
const UNITS = 100_000;
const PATH = "/api/v1/inventory/deduct";
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
/** Calls of an API that are on their way at once: two that sell, one that asks for the time. */
const CALLS_MAX = 3;
/** One script call with BATCH_MAX (256) orders of these tests at its largest. */
const CALL_BYTES_MAX = 64 * 1024;
/** What four hundred requests that timed out may leave behind. */
const MEMORY_GROWTH_MAX_KIB = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
  readonly ms: number;
}

Deno.test("a Redis frozen longer than every deadline: 503 in time, nothing sold late, and the same order settles it", async () => {
  const seed = runSeed();
  note(`seed ${seed}`);
  await using redis = await startRedis();
  await using forwarder = startForwarder(redis.port);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using _worker = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
  await using api = await Service.start("api", { REDIS_URL: forwarder.url, ...ENV });
  await api.ready();
  await stockUp(api, new Map([["sku", UNITS]]));
  await using clients = await openBuyers(api);
  const first = await clients.buyAll(`${seed}-before`);
  assert.ok(first.every(({ status }) => status === 200));
  const before = { ...await position(redis), stock: await redis.cli("HGET", "{inventory:0}:stock", "sku") };
  const memoryBefore = await residentKib(api.pid);

  redis.freeze();
  const sentBefore = forwarder.requestBytes;
  const frozen: Answer[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    frozen.push(...await clients.buyAll(`${seed}-frozen-${round}`));
  }
  const sent = forwarder.requestBytes - sentBefore;
  const lookup = await api.get(`/api/v1/orders/${seed}-frozen-0-0`);
  const grownKib = await residentKib(api.pid) - memoryBefore;
  const thawMs = Date.now();
  redis.thaw();

  const unknown = frozen.filter(({ body }) => body.code === "outcome_unknown");
  const slowestMs = Math.max(...frozen.map(({ ms }) => ms));
  note(`${unknown.length} unknown, ${frozen.length - unknown.length} never left, slowest ${slowestMs} ms;`);
  note(`${sent} bytes sent to a frozen Redis, the API has grown by ${grownKib} KiB`);
  assert.deepEqual([...new Set(frozen.map(({ status }) => status))], [503]);
  assert.ok(unknown.length > 0, "orders were on their way");
  assert.ok(slowestMs < ANSWER_MAX_MS, `${slowestMs} ms for an answer`);
  for (const { body } of frozen) {
    const deadlineMs = Date.parse(String(body.deadline));
    assert.ok(deadlineMs <= thawMs, `deadline ${body.deadline} has passed when Redis goes on`);
  }
  assert.equal(lookup.status, 503, "the outcome is unknown while it is frozen");
  assert.ok(sent < CALLS_MAX * CALL_BYTES_MAX, `${sent} bytes: timed-out calls pile up on a frozen server`);
  assert.ok(grownKib < MEMORY_GROWTH_MAX_KIB, `${grownKib} KiB`);

  await api.ready();
  assert.ok(await clientsNamed(redis, "inventory-api") <= 1, "connections pile up");
  for (const orderId of [`${seed}-frozen-0-0`, `${seed}-frozen-${ROUNDS - 1}-${BUYERS - 1}`]) {
    for (const look of ["first", "second"]) {
      const { status, body } = await api.get(`/api/v1/orders/${orderId}`);
      assert.equal(`${status} ${body.code}`, "404 unknown_order", `${orderId}, ${look} look`);
    }
  }
  const after = { ...await position(redis), stock: await redis.cli("HGET", "{inventory:0}:stock", "sku") };
  assert.deepEqual(after, before, "sold after the deadline");

  const settled = await clients.buyAll(`${seed}-frozen-0`);
  assert.ok(settled.every(({ status, replayed }) => status === 200 && !replayed));
  const found = await api.get(`/api/v1/orders/${seed}-frozen-0-0`);
  assert.equal(found.status, 200);
  assert.equal((await position(redis)).seq, before.seq + BUYERS);
});

Deno.test("an answer cut in the middle: the order was executed exactly once, and the same order hears its answer", async () => {
  const seed = runSeed();
  note(`seed ${seed}`);
  const cuts = 5;
  await using redis = await startRedis();
  await using proxy = startProxy(redis.port);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using _worker = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
  await using api = await Service.start("api", { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...ENV });
  await api.ready();
  await stockUp(api, new Map([["sku", UNITS]]));
  await using clients = await openBuyers(api);
  await clients.buyAll(`${seed}-before`);

  let lost = 0;
  for (let cut = 1; cut <= cuts; cut++) {
    const { seq } = await position(redis);
    proxy.cutReplies(1, { containing: "EVALSHA" });
    const answers = await clients.buyAll(`${seed}-cut-${cut}`);
    assert.equal(proxy.strikes, cut);
    const unknown = answers.filter(({ body }) => body.code === "outcome_unknown");
    assert.ok(unknown.length > 0, "no order was on its way");
    assert.ok(
      unknown.every(({ status, body }) => status === 503 && !Number.isNaN(Date.parse(String(body.deadline)))),
    );
    lost += unknown.length;
    await api.ready();
    const executed = (await position(redis)).seq - seq;
    const heard = answers.filter(({ status }) => status === 200).length;
    assert.ok(executed > heard, "the cut answer was that of an order that was executed");

    const again = await clients.buyAll(`${seed}-cut-${cut}`);
    assert.ok(
      again.every(({ status }) => status === 200),
      JSON.stringify(again.find(({ status }) => status !== 200)),
    );
    assert.equal(again.filter(({ replayed }) => replayed).length, executed, "what was executed is replayed");
    const third = await clients.buyAll(`${seed}-cut-${cut}`);
    assert.deepEqual(third.map(({ body }) => body), again.map(({ body }) => body), "the one true answer");
    answers.forEach((answer, index) => {
      if (answer.status === 200) {
        assert.deepEqual(again[index]?.body, answer.body, "an answer was taken back");
      }
    });
    assert.equal((await position(redis)).seq, seq + BUYERS, "each order was executed exactly once");
  }
  note(`${cuts} answers cut, ${lost} orders without an answer`);
  const tables = await readLedger({ databaseUrl }, await stockOf(api, ["sku"]));
  assert.equal(tables.lines.length, BUYERS * (1 + cuts));
  assert.equal(tables.movements.length, 1 + BUYERS * (1 + cuts), "one movement an order, and the adjustment");
  assert.equal(tables.stock[0]?.available, UNITS - BUYERS * (1 + cuts));
});

interface Buyers extends AsyncDisposable {
  /** One order a buyer, all at once; the same `round` is the same orders. */
  buyAll(round: string): Promise<Answer[]>;
}

async function openBuyers(api: Service): Promise<Buyers> {
  const connections = await Promise.all(
    Array.from({ length: BUYERS }, () => HttpConnection.open(api.url, STEP_DEADLINE_MS)),
  );
  return {
    buyAll: (round) =>
      Promise.all(connections.map(async (connection, index) => {
        const id = `${round}-${index}`;
        const startMs = performance.now();
        const answer = await connection.post(PATH, { sku: "sku", user_id: id, order_id: id, amount: 1 });
        return { ...answer, ms: Math.round(performance.now() - startMs) };
      })),
    [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close();
      return Promise.resolve();
    },
  };
}

async function residentKib(pid: number): Promise<number> {
  const text = await runCommand("ps", ["-o", "rss=", "-p", String(pid)], { deadlineMs: STEP_DEADLINE_MS });
  return Number(text.trim());
}
