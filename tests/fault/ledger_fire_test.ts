/**
 * The ledger under fire: whatever happens in the middle of a transaction, every line is applied exactly once; and
 * what cannot be applied stops the shard, or is set aside, and says so.
 */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { RedisStore } from "../../src/redis/store.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { decide, deduct } from "../contract/store_suite.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { LoadClients } from "../system/load_clients.ts";
import { planOrders, runSeed } from "../system/plan.ts";
import { Service, startStack } from "../system/stack.ts";
import { type ClientMessage, PostgresProxy } from "./postgres_proxy.ts";
import {
  armedAgain,
  armings,
  audit,
  cursorOf,
  drained,
  headOf,
  queryNumber,
  refusalOf,
  saying,
} from "./fault_probe.ts";

const SKUS = ["hot-1", "hot-2"];
const INITIAL = new Map(SKUS.map((sku) => [sku, 1_000_000]));
const STRIKE_DEADLINE_MS = 60_000;
/** The transaction of a batch, statement by statement, as each begins. */
const STEPS = [
  /^begin$/,
  /for update;\s*$/, // lock_cursor
  /insert into movements/,
  /insert into order_lines/,
  /insert into stock/, // add_missing_stock
  /update stock/, // audit_stock
  /update log_cursor set epoch/, // move_cursor
  /^commit$/,
];

/** One buyer that buys until it is stopped: the ledger always has something to do, and no backlog. */
function steadyClients(seed: number, api: Service): LoadClients {
  const orders = planOrders({ seed, orders: 300_000, skus: SKUS, users: 300_000 });
  return new LoadClients({ orders, urls: [api.url], connections: 1 });
}

/** Waits for what a strike resolves with, but not for ever. */
async function inTime<T>(strike: Promise<T>, what: string): Promise<T> {
  let done = false;
  strike.then(() => done = true);
  await waitFor(() => done, { deadlineMs: STRIKE_DEADLINE_MS, what });
  return await strike;
}

/** API and worker with buyers at work, and the worker's way to PostgreSQL under the test's control. */
async function startFire(seed: number) {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const proxy = owned.use(new PostgresProxy(databaseUrl));
  const { api, worker } = owned.use(await startStack({ redisUrl: redis.url, databaseUrl: proxy.url }));
  await stockUp(api, INITIAL);
  const clients = owned.use(steadyClients(seed, api));
  const rush = clients.rush();
  await clients.answeredAtLeast(20);
  const all = owned.move();
  return {
    ...{ redis, databaseUrl, proxy, api, worker, clients },
    /** Ends the rush, lets the worker book the rest, and audits. */
    async end() {
      clients.stop();
      await rush;
      return await audit({ clients, api, initial: INITIAL, databaseUrl });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

Deno.test("ledger: the connection is cut before every message of the transaction, and every line is applied once", async () => {
  const seed = runSeed();
  await using fire = await startFire(seed);
  const { proxy, worker, clients } = fire;
  const struck: ClientMessage[] = [];
  for (let index = 0; struck.at(-1)?.statement !== "commit"; index++) {
    const before = armings(worker);
    // The first transaction of a connection prepares its statements: other messages, in no fixed number.
    const isNext = (message: ClientMessage) => message.transaction > 1 && message.index === index;
    struck.push(await inTime(proxy.strikeNext("cut", isNext), `message ${index}`));
    await armedAgain(worker, before);
  }
  const { tables } = await fire.end();

  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(`seed ${seed}: cut before ${struck.length} messages, ${clients.count("accepted")} accepted`);
  assert.equal(proxy.strikes, struck.length);
  assert.deepEqual(STEPS.filter((step) => !struck.some(({ statement }) => step.test(statement))), []);
  assert.equal(tables.lines.length, clients.count("accepted"));
});

Deno.test("ledger: the worker is killed between every two steps of the transaction, and every line is applied once", async () => {
  const seed = runSeed();
  await using fire = await startFire(seed);
  const { proxy, worker, clients } = fire;
  for (const step of STEPS) {
    const isNext = ({ index, statement }: ClientMessage) => index >= 0 && step.test(statement);
    const { statement } = await inTime(proxy.strikeNext("hold", isNext), `${step}`);
    assert.match(statement, step);
    await worker.kill();
    proxy.cutAll();
    await worker.restart();
    await armedAgain(worker, 0);
  }
  await fire.end();

  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(`seed ${seed}: killed in ${proxy.strikes} places, ${clients.count("accepted")} accepted`);
  assert.equal(proxy.strikes, STEPS.length);
});

Deno.test("ledger: the answer to COMMIT is lost, with and without the worker, and every line is applied once", async () => {
  const seed = runSeed();
  await using fire = await startFire(seed);
  const { proxy, worker, clients, databaseUrl } = fire;
  const isCommit = ({ statement }: ClientMessage) => statement === "commit";
  let committed = 0;
  await withConnection(databaseUrl, async (sql) => {
    for (const alsoKill of [false, true, false, true]) {
      const [before, armed] = [await cursorOf(sql), armings(worker)];
      await inTime(proxy.strikeNext("cut_answer", isCommit), "a commit");
      if (alsoKill) {
        await worker.kill();
        await worker.restart();
      }
      await armedAgain(worker, alsoKill ? 0 : armed);
      if (await cursorOf(sql) > before) committed++;
    }
  });
  await fire.end();

  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(
    `seed ${seed}: ${proxy.strikes} commits without an answer, ${clients.count("accepted")} accepted`,
  );
  assert.equal(proxy.strikes, 4);
  assert.equal(committed, 4);
});

Deno.test("ledger: deadlocks, serialization failures and ended sessions are tried again until they pass", async () => {
  const seed = runSeed();
  await using fire = await startFire(seed);
  const { worker, clients, databaseUrl } = fire;
  const interruptions = () => worker.logged("shard interrupted").map(({ error }) => String(error));
  const failedWith = (pattern: RegExp) =>
    saying(worker, `${pattern}`, () => interruptions().some((error) => pattern.test(error)));

  await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    // The worker takes the cursor first and stock last. It is the one that looks for a deadlock: we never do.
    await sql`set deadlock_timeout = '1min'`;
    await sql.begin(async (tx) => {
      await tx`select from stock for update`;
      await waitFor(async () => {
        const [waiting] = await tx`select from pg_locks where not granted and locktype = 'transactionid'`;
        return waiting !== undefined;
      }, { deadlineMs: STRIKE_DEADLINE_MS, what: "the worker to wait for stock" });
      await tx`select from log_cursor for update`;
    });
    await failedWith(/deadlock detected/);

    // A worker that reads by snapshots meets a cursor that moved under its feet.
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`;
    await sql.unsafe(`alter database ${name} set default_transaction_isolation = 'repeatable read'`);
    // Again when the session was idle: what a worker does not use ends unnoticed, and it opens the next one.
    await waitFor(async () => {
      await endLease(sql);
      return interruptions().some((error) => /terminating connection|lease is lost/.test(error));
    }, { deadlineMs: STRIKE_DEADLINE_MS, what: "the worker to lose its lease", seen: interruptions });
    await sql.begin(async (tx) => {
      await tx`update log_cursor set noted_head = noted_head`;
      await waitFor(async () => {
        const [waiting] = await tx`select from pg_locks where not granted and locktype = 'transactionid'`;
        return waiting !== undefined;
      }, { deadlineMs: STRIKE_DEADLINE_MS, what: "the worker to wait for the cursor" });
    });
    await failedWith(/could not serialize access/);
    await sql.unsafe(`alter database ${name} reset default_transaction_isolation`);
    await endLease(sql);
  });
  const { tables } = await fire.end();

  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(
    `seed ${seed}: ${clients.count("accepted")} accepted with deadlock and serialization failure`,
  );
  assert.equal(tables.deadLetters, 0, "the server's troubles are no fault of an event");
});

Deno.test("ledger: a PostgreSQL that turns the worker away is asked again until it lets it in", async () => {
  const seed = runSeed();
  await using fire = await startFire(seed);
  const { worker, clients, databaseUrl } = fire;
  const turnedAway = () =>
    worker.logged("cannot reach the other workers").filter(({ error }) =>
      /not currently accepting/.test(String(error))
    )
      .length;
  const name = new URL(databaseUrl).pathname.slice(1);
  const server = new URL("/postgres", databaseUrl).href;
  const before = armings(worker);
  await withConnection(server, async (sql) => {
    // It answers with a FATAL error, as a server does that starts, stops, or has no connection left.
    await sql.unsafe(`alter database ${name} allow_connections false`);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    await saying(worker, "to be turned away", () => turnedAway() >= 1);
    await sql.unsafe(`alter database ${name} allow_connections true`);
  });
  await armedAgain(worker, before);
  await fire.end();

  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(`seed ${seed}: turned away ${turnedAway()} times, ${clients.count("accepted")} accepted`);
  assert.equal(clients.count("unknown"), 0, "selling goes on meanwhile");
});

/** Ends the session of the worker from the server's side, as soon as it has one. */
async function endLease(sql: Sql): Promise<void> {
  await waitFor(async () => {
    const ended = await sql`
      select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and objid = 0 and database = (select oid from pg_database where datname = current_database())`;
    return ended.length === 1;
  }, { deadlineMs: STRIKE_DEADLINE_MS, what: "a session to end" });
}

/** A small deployment with some units of one SKU, and no limit a user. */
async function startShop(env: Record<string, string> = {}, workerUrl?: (databaseUrl: string) => string) {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const { api, worker } = owned.use(
    await startStack({
      redisUrl: redis.url,
      databaseUrl: workerUrl?.(databaseUrl) ?? databaseUrl,
      env: { USER_LIMIT_MS: "0", ...env },
    }),
  );
  await stockUp(api, new Map([["sku", 100]]));
  const all = owned.move();
  return { redis, databaseUrl, api, worker, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Sells `amount` units; returns status, and the units left or the code of the refusal. */
async function buy(
  api: Service,
  orderId: string,
  amount: number = 1,
  user: string = "user",
): Promise<unknown[]> {
  const order = { sku: "sku", user_id: user, order_id: orderId, amount };
  const { status, body } = await api.post("/api/v1/inventory/deduct", order);
  return [status, body.code ?? body.new_stock];
}

/** Asserts that nothing is sold, whatever is asked of the API. */
async function assertStopped(api: Service): Promise<void> {
  assert.deepEqual(await buy(api, "too-late"), [503, "unarmed"]);
  const { status } = await api.post("/api/v1/inventory/sku/adjustments", { adjustment_id: "late", delta: 1 });
  assert.equal(status, 503);
}

Deno.test("ledger: an event that PostgreSQL cannot take is set aside except for its movement, and the others are applied", async () => {
  await using shop = await startShop();
  shop.api.history.incomplete("orders are written to the store past the API");
  const { redis, databaseUrl, api } = shop;
  const place = { namespace: "inventory", shards: 1 };
  const servers = new ClusterMap([redis.url], place, { name: "test", world, onError() {} });
  const limits = {
    userLimitMs: 0,
    idempotencyWindowMs: 86_400_000,
    backlogMax: 1000,
    replicaTimeoutMs: 1000,
  };
  const store = new RedisStore(new ShardConnections(servers, "shard"), { ...place, deployment: "" }, limits);
  // The edge refuses NUL; another program that writes past it does not.
  const orders = ["good-1", "bad\0order", "good-2", "good-3"];
  const outcomes = await decide(store, ...orders.map((id) => deduct(id, "sku", 2, `user of ${id}`)));
  await Promise.all([store.close(), servers.close()]);
  assert.deepEqual(outcomes.map(({ kind }) => kind), Array(4).fill("accepted"));
  await drained(redis);

  assert.deepEqual(await buy(api, "next"), [200, 91]);
  await drained(redis);
  await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    const movements =
      await sql`select order_id, delta::int from movements where kind = 'deduct' order by seq`;
    assert.deepEqual(movements.map(({ order_id, delta }) => [order_id, delta]), [
      ...[["good-1", -2], ["bad\uFFFDorder", -2], ["good-2", -2], ["good-3", -2], ["next", -1]],
    ]);
    const letters = await sql`select seq::int, sqlstate, event::text from dead_letters`;
    assert.deepEqual(letters.map(({ seq, sqlstate }) => [seq, sqlstate]), [[3, "22P05"]]);
    assert.match(letters[0]?.event, /bad\\u0000order/, "as it came");
    const [stock] = await sql`select available::int from stock where sku = 'sku'`;
    assert.equal(stock?.available, 91);
  });
  assert.equal(shop.worker.logged("dead letters").length, 1);
});

Deno.test("ledger: a gap in the log is applied up to, says so and stops the shard, also after a restart", async () => {
  await using shop = await startShop();
  shop.api.history.unchecked("an entry of the log is deleted");
  const { redis, databaseUrl, api, worker } = shop;
  const applied = await drained(redis);
  await worker.kill(); // one entry an order, none applied: all of them will come in one read
  for (let order = 1; order <= 5; order++) await buy(api, `order-${order}`);
  const log = "{inventory:0}:events";
  const third = (await redis.cli("XRANGE", log, "-", "+")).match(new RegExp(`^\\d+-${applied + 3}$`, "m"))
    ?.[0];
  assert.equal(await redis.cli("XDEL", log, third ?? ""), "1");
  await worker.restart();

  assert.match(
    await refusalOf(worker),
    new RegExp(`the log continues at ${applied + 4} after ${applied + 2}`),
  );
  const [said] = worker.logged("log entries cannot be applied");
  assert.equal(said?.level, "error");
  // How many entries a read has follows from their size, so what comes before the gap may be applied already.
  assert.match(
    String(said?.why),
    new RegExp(`continues at ${applied + 4} after (${applied}|${applied + 1}|${applied + 2})$`),
  );
  await assertStopped(api);
  await worker.kill();
  await worker.restart();
  assert.match(await refusalOf(worker), /the log continues at/);
  await assertStopped(api);
  assert.equal(await queryNumber(databaseUrl, "select seq from inventory.log_cursor"), applied + 2);
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.movements"), applied + 2);
  assert.equal(await headOf(redis), applied + 5, "nothing was sold after it");
});

Deno.test("ledger: a quantity that was changed behind its back disarms the shard, raises an error and is found again", async () => {
  await using shop = await startShop();
  shop.api.history.unchecked("quantities of the ledger are changed");
  const { redis, databaseUrl, api, worker } = shop;
  assert.deepEqual(await buy(api, "before"), [200, 99]);
  const applied = await drained(redis);
  await redis.cli("HSET", "{inventory:0}:stock", "sku", "500 0");
  assert.deepEqual(await buy(api, "after"), [200, 499], "no process can know yet");

  const words = /'sku' is 98\+0 in the ledger and 499\+0 in the store/;
  assert.match(await refusalOf(worker), words);
  assert.equal(worker.logged("shard refused")[0]?.level, "error");
  assert.equal(await redis.cli("HEXISTS", "{inventory:0}:meta", "armed"), "0");
  await assertStopped(api);
  for (const end of ["kill", "stop"] as const) {
    await worker[end]();
    await worker.restart();
    assert.match(await refusalOf(worker), words);
    await assertStopped(api);
  }
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.dead_letters"), 0);
  assert.equal(
    await queryNumber(databaseUrl, "select seq from inventory.log_cursor"),
    applied,
    "never half a batch",
  );
});

/** Makes the store forget its lines: both generations are a window old, one after the other. */
async function endWindow(redis: RedisServer, api: Service): Promise<void> {
  for (const turn of [1, 2]) {
    await drained(redis); // only what is applied is forgotten
    await redis.cli("HSET", "{inventory:0}:meta", "orders_since", "0");
    const adjustment_id = `turn-${turn}-${crypto.randomUUID()}`;
    const { status } = await api.post("/api/v1/inventory/other/adjustments", { adjustment_id, delta: 1 });
    assert.ok(status === 200 || status === 201);
  }
}

/** The adjustments that gave units back, and what became of the rows that ask for them. */
async function givenBack(databaseUrl: string): Promise<{ deltas: number[]; open: number; done: number }> {
  return await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    const moves = await sql`select delta::int from movements where kind = 'adjust' and actor = 'holdfast'`;
    const [rows] = await sql`
      select count(*) filter (where done_at is null)::int as open, count(done_at)::int as done from compensations`;
    return { deltas: moves.map(({ delta }) => delta), open: rows?.open, done: rows?.done };
  });
}

Deno.test("ledger: a line that returns after the window is given back once, and with other contents it is a dead letter", async () => {
  await using shop = await startShop();
  shop.api.history.unchecked("an order id is used again after the idempotency window");
  const { redis, databaseUrl, api, worker } = shop;
  assert.deepEqual(await buy(api, "again", 3), [200, 97]);
  assert.deepEqual(await buy(api, "again", 3), [200, 97], "inside the window a replay");
  await endWindow(redis, api);
  assert.deepEqual(await buy(api, "again", 3), [200, 94], "the store has forgotten it");
  await saying(worker, "the units to be back", async () => (await givenBack(databaseUrl)).done === 1);
  await drained(redis);
  assert.deepEqual((await api.get("/api/v1/inventory/sku")).body.available, 97);
  assert.deepEqual(await givenBack(databaseUrl), { deltas: [3], open: 0, done: 1 });
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.dead_letters"), 0);

  await endWindow(redis, api);
  assert.deepEqual(await buy(api, "again", 2, "another user"), [200, 95]);
  await saying(worker, "the dead letter", () => worker.logged("dead letters").length > 0);
  await drained(redis);
  assert.deepEqual((await api.get("/api/v1/inventory/sku")).body.available, 95, "a person decides");
  assert.deepEqual(await givenBack(databaseUrl), { deltas: [3], open: 0, done: 1 });
  const letters = "from inventory.dead_letters where reason like 'line accepted before%'";
  assert.equal(await queryNumber(databaseUrl, `select count(*) ${letters}`), 1);
  assert.equal(await queryNumber(databaseUrl, "select available from inventory.stock where sku = 'sku'"), 95);
  assert.equal(
    await queryNumber(databaseUrl, "select amount from inventory.order_lines where order_id = 'again'"),
    3,
  );
});

Deno.test("ledger: sold, returned, sent again after the window and returned: no more units than there were", async () => {
  await using shop = await startShop();
  shop.api.history.unchecked("an order id is used again after the idempotency window");
  const { redis, databaseUrl, api, worker } = shop;
  const returnUnits = async (return_id: string) => {
    const { status, body } = await api.post("/api/v1/orders/again/return", {
      return_id,
      lines: [{ sku: "sku", amount: 5 }],
    });
    return [status, body.code];
  };
  assert.deepEqual(await buy(api, "again", 5), [200, 95]);
  assert.deepEqual(await returnUnits("r-1"), [200, undefined]);
  await endWindow(redis, api);
  assert.deepEqual(await buy(api, "again", 5), [200, 95]);
  await saying(worker, "the units to be back", async () => (await givenBack(databaseUrl)).done === 1);
  assert.deepEqual(await returnUnits("r-2"), [409, "return_exceeds_sold"]);
  assert.deepEqual((await api.get("/api/v1/inventory/sku")).body.available, 100);
  await drained(redis);
  assert.equal(
    await queryNumber(databaseUrl, "select available from inventory.stock where sku = 'sku'"),
    100,
  );
});

for (
  const { moment, step, strike } of [
    { moment: "between commit and giving back", step: /from compensations/, strike: 1 },
    // The first time it is looked whether the adjustment is applied already, the second time it is being applied.
    { moment: "after giving back, before it is noted", step: /update compensations/, strike: 2 },
  ]
) {
  Deno.test(`ledger: a worker that is killed ${moment} gives back once nevertheless`, async () => {
    await using owned = new AsyncDisposableStack();
    let proxy: PostgresProxy | undefined;
    await using shop = await startShop({}, (databaseUrl) => {
      proxy = owned.use(new PostgresProxy(databaseUrl));
      return proxy.url;
    });
    shop.api.history.unchecked("an order id is used again after the idempotency window");
    const { redis, databaseUrl, api, worker } = shop;
    assert.ok(proxy);
    assert.deepEqual(await buy(api, "again", 3), [200, 97]);
    await endWindow(redis, api);
    await drained(redis);
    let seen = 0;
    const struck = proxy.strikeNext("hold", ({ statement }) => step.test(statement) && ++seen === strike);
    assert.deepEqual(await buy(api, "again", 3), [200, 94]);
    await inTime(struck, moment);
    await worker.kill();
    proxy.cutAll();
    assert.deepEqual(
      await givenBack(databaseUrl),
      { deltas: [], open: 1, done: 0 },
      "committed, and not done",
    );

    await worker.restart();
    await saying(worker, "the units to be back", async () => (await givenBack(databaseUrl)).done === 1);
    await drained(redis);
    assert.deepEqual(await givenBack(databaseUrl), { deltas: [3], open: 0, done: 1 });
    assert.deepEqual((await api.get("/api/v1/inventory/sku")).body.available, 97);
    assert.deepEqual(await buy(api, "again", 3), [200, 94], "the answer stays true");
    assert.equal(proxy.strikes, 1);
  });
}
