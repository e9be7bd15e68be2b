/**
 * A Redis that is up and refuses writes, or refuses one in the middle of a script.
 */
import assert from "node:assert/strict";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { inventory } from "../system/command_line.ts";
import { runToEnd, Service, startStack } from "../system/stack.ts";
import { drained, queryNumber, saying } from "./fault_probe.ts";

const STEP_DEADLINE_MS = 60_000;
const UNITS = 10_000;
const ORDERS = 50;
const REFUSING = "store refuses writes, applying continues";

interface State {
  readonly code: string;
  /** The reply to a sale. */
  readonly problem: string;
  enter(redis: RedisServer): Promise<unknown>;
  leave(redis: RedisServer): Promise<unknown>;
}

const STATES: readonly State[] = [
  {
    code: "NOREPLICAS",
    problem: "store_unavailable",
    enter: (redis) => redis.cli("CONFIG", "SET", "min-replicas-to-write", "1"),
    leave: (redis) => redis.cli("CONFIG", "SET", "min-replicas-to-write", "0"),
  },
  {
    code: "OOM",
    problem: "store_full",
    enter: (redis) => redis.cli("CONFIG", "SET", "maxmemory", "1"),
    leave: (redis) => redis.cli("CONFIG", "SET", "maxmemory", "0"),
  },
  {
    code: "MISCONF",
    problem: "store_unavailable",
    enter: failToSave,
    leave: (redis) => redis.cli("CONFIG", "SET", "save", ""),
  },
];

/** A snapshot fails as its folder is gone. */
async function failToSave(redis: RedisServer): Promise<void> {
  const gone = await Deno.makeTempDir({ prefix: "holdfast-gone-" });
  await redis.cli("CONFIG", "SET", "dir", gone);
  await Deno.remove(gone);
  await redis.cli("CONFIG", "SET", "save", "3600 1");
  await redis.cli("BGSAVE");
  await waitFor(async () => (await redis.cli("INFO", "persistence")).includes("rdb_last_bgsave_status:err"), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a snapshot that failed",
  });
}

async function sell(api: Service, prefix: string): Promise<number[]> {
  const orders = Array.from({ length: ORDERS }, (_, i) => `${prefix}-${i}`);
  const answers = await Promise.all(
    orders.map((order_id) =>
      api.post("/api/v1/inventory/deduct", { sku: "sku", user_id: order_id, order_id, amount: 1 })
    ),
  );
  return answers.map(({ status }) => status);
}

/** Each attempt at an arming loads every script. */
async function scriptLoads(redis: RedisServer): Promise<number> {
  const stats = await redis.cli("INFO", "commandstats");
  return Number(/cmdstat_script\|load:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

Deno.test("a Redis that refuses writes: what was sold before is applied, operators and buyers hear the state by name, and it ends by itself", async () => {
  await using redis = await startRedis({ args: ["--enable-protected-configs", "yes"] });
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  const { api, worker } = stack;
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl };
  await stockUp(api, new Map([["sku", UNITS]]));
  const applied = () => queryNumber(databaseUrl, "select count(*) from inventory.order_lines");

  for (const [index, { code, problem, enter, leave }] of STATES.entries()) {
    worker.freeze();
    assert.deepEqual(await sell(api, code), new Array(ORDERS).fill(200), code);
    await enter(redis);
    worker.thaw();
    await saying(
      worker,
      `${code}: all applied`,
      async () => await applied() === index * (ORDERS + 1) + ORDERS,
    );
    await saying(worker, `${code} by name`, () => worker.logged(REFUSING).length > index);
    assert.match(String(worker.logged(REFUSING)[index]?.why), new RegExp(`^${code} `));

    const order = { sku: "sku", user_id: `late-${code}`, order_id: `late-${code}`, amount: 1 };
    const refused = await api.post("/api/v1/inventory/deduct", order);
    assert.deepEqual([refused.status, refused.body.code], [503, problem]);
    assert.match(
      String((await api.get("/readyz")).body.missing),
      code === "OOM" ? /store_full/ : new RegExp(code),
    );

    const status = await inventory(env, "status");
    assert.equal(status.code, 1, status.err);
    assert.match(status.out, new RegExp(code));
    const doctor = await inventory(env, "doctor");
    assert.equal(doctor.code, 1);
    assert.match(doctor.out, new RegExp(`writes +bad +shard 0 refuses them: ${code} `));

    await leave(redis);
    await api.ready(STEP_DEADLINE_MS);
    assert.equal((await api.post("/api/v1/inventory/deduct", order)).status, 200);
    await drained(redis, STEP_DEADLINE_MS);
    await saying(
      worker,
      "the end of it",
      () => worker.logged("store accepts writes again").length === index + 1,
    );
  }
  assert.equal(worker.logged("shard armed").length, 1, "no arming was needed");
  assert.equal(worker.logged("shard interrupted").length, 0);
  // Said once a state, then once a minute.
  assert.equal(worker.logged(REFUSING).length, STATES.length, worker.output());
});

/** What a verb that needs writes says. */
function refused(verb: string, code: string): RegExp {
  return new RegExp(
    `^Cannot run '${verb}', nothing was changed: the Redis server of shard 0 refuses writes: ${code}: `,
  );
}

/** Every verb that reads: its exit code, and what it prints. */
const READING: readonly (readonly [args: readonly string[], code: number, out: RegExp])[] = [
  [["status"], 1, /writes/],
  [["doctor"], 1, /refuses them/],
  [["skus"], 0, /sku/],
  [["order", "o-1"], 0, /store: .*"number":2.*\nledger: .*"number":2/],
  [["reconcile"], 0, /1 SKUs, 2 orders/],
  [["verify"], 0, /The ledger is whole/],
  [["correct", "--reason", "r", "--yes"], 0, /Nothing to correct/],
  [["dead-letters"], 0, /^Nothing\b|^No /],
];

/** Every verb that needs writes. */
const WRITING: readonly (readonly string[])[] = [
  ["stock", "sku"],
  ["adjust", "sku", "1"],
  ["set", "sku", "5", "--expected", "9"],
  ["pause", "sku"],
  ["resume", "sku"],
  ["rules", "sku", "--quota", "1"],
  ["import", "no-such-file.csv"],
  ["rebuild", "--yes"],
  ["repair", "--yes"],
  ["recover", "--reason", "r"],
];

Deno.test("a Redis that refuses writes: every verb works, or ends with one line that names the state, with nothing done", async () => {
  await using redis = await startRedis({ args: ["--enable-protected-configs", "yes"] });
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl };
  await stockUp(stack.api, new Map([["sku", 10]]));
  await sellOne(stack.api, "o-1");
  await drained(redis);
  const state = async () => [
    await redis.cli("HGETALL", "{inventory:0}:stock"),
    await redis.cli("HMGET", "{inventory:0}:meta", "armed", "epoch", "seq"),
    await queryNumber(databaseUrl, "select count(*) from inventory.movements"),
    await queryNumber(databaseUrl, "select count(*) from inventory.log_jumps"),
  ];
  const before = await state();
  for (const { code, enter, leave } of STATES) {
    await enter(redis);
    await eachOf(
      [...READING, ...WRITING.map((args) => [args, 1, /^$/] as const)],
      async ([args, exit, out]) => {
        const ran = await inventory(env, ...args);
        const what = `${code}: ${args.join(" ")}: ${ran.out}\n${ran.err}`;
        assert.equal(ran.code, exit, what);
        assert.match(ran.out, out, what);
        if (!WRITING.includes(args)) return;
        const [last = "", ...others] = ran.err.split("\n").toReversed(); // before it, only Deno's own warnings
        assert.match(last, refused(args[0] ?? "", code), what);
        assert.ok(others.every((line) => /Warning|env var/.test(line)), what);
      },
    );
    assert.deepEqual(await state(), before, code);
    await leave(redis);
  }
  // The ledger alone: a store in any state does not matter to it, a worker does.
  await stack.worker.stop();
  await STATES[0]?.enter(redis);
  assert.match((await inventory(env, "detach", "--yes")).out, /belongs to deployment/);
});

/** Two at a time: each is a process. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([one(), one()]);
}

async function sellOne(api: Service, order_id: string): Promise<void> {
  const order = { sku: "sku", user_id: "u", order_id, amount: 1 };
  assert.equal((await api.post("/api/v1/inventory/deduct", order)).status, 200);
}

Deno.test("an API whose Redis user lost a right in the middle: unknown, logged, and the shard is rebuilt with the order", async () => {
  await using redis = await startRedis();
  await redis.cli("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all");
  const databaseUrl = await sharedPostgres().freshDatabase();
  const redisUrl = redis.url.replace("//", "//shop:secret@");
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  await using api = await Service.start("api", { REDIS_URL: redisUrl });
  await api.ready(STEP_DEADLINE_MS);
  await stockUp(stack.api, new Map([["sku", 10]]));
  await redis.cli("ACL", "SETUSER", "shop", "-zadd");
  const reserve = { order_id: "o1", user_id: "u", lines: [{ sku: "sku", amount: 1 }], ttl_seconds: 600 };
  const lost = await api.post("/api/v1/reservations", reserve);
  assert.deepEqual([lost.status, lost.body.code], [503, "outcome_unknown"]);
  await saying(api, "the reason", () => api.logged("broken store").length > 0);
  assert.match(String(api.logged("broken store")[0]?.error), /^HALFDONE /);
  const unready = await api.get("/readyz");
  assert.equal(unready.status, 503);
  assert.match(String(unready.body.missing), /no_rights|unarmed/);

  // The worker has applied what the log had and filled the store from the ledger.
  await stack.api.ready(STEP_DEADLINE_MS);
  const again = await stack.api.post("/api/v1/reservations", reserve);
  assert.deepEqual([again.status, again.body.code], [201, undefined], JSON.stringify(again.body));
  const { body } = await stack.api.get("/api/v1/inventory/sku");
  assert.deepEqual([body.available, body.reserved], [9, 1]);
  await waitFor(async () => /no_rights/.test(String((await api.get("/readyz")).body.missing)), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "the missing right, by name",
  });

  const { code, said } = await runToEnd("api", { REDIS_URL: redisUrl });
  assert.equal(code, 2);
  assert.match(said, /its Redis user may not run ZADD/);
});

Deno.test("a replica as REDIS_URL, a key of another type, a worker without rights: refused with the reason, once", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  await stockUp(stack.api, new Map([["sku", 10]]));
  await drained(redis);
  await stack.worker.stop();
  await using replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(redis.port)] });
  await waitFor(async () => (await replica.cli("INFO", "replication")).includes("master_link_status:up"), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a replica in sync",
  });
  await redis.cli("ACL", "SETUSER", "few", "on", ">secret", "~*", "+@all", "-xrange");
  const cases = [
    { server: replica, url: replica.url, why: /its server is a replica/ },
    {
      server: redis,
      url: redis.url.replace("//", "//few:secret@"),
      why: /refused a command: .*(xrange|can't run this command)/,
    },
    { server: redis, url: redis.url, plant: true, why: /refused a command: .*WRONGTYPE/ },
  ];
  for (const { server, url, why, plant = false } of cases) {
    if (plant) await redis.cli("SET", "{inventory:0}:expiry", "planted");
    if (plant) await redis.cli("SET", "{inventory:0}:events", "planted");
    await using worker = await Service.start("worker", { REDIS_URL: url, DATABASE_URL: databaseUrl });
    await saying(worker, "why", () => worker.logged("shard refused").length > 0);
    assert.match(String(worker.logged("shard refused")[0]?.reason), why);
    const attempts = await scriptLoads(server);
    await saying(worker, "more attempts", async () => await scriptLoads(server) > attempts + 20);
    assert.equal(worker.logged("shard refused").length, 1, worker.output());
    assert.equal(worker.logged("shard interrupted").length, 0, worker.output());
    if (url !== replica.url) continue;
    const status = await inventory({ REDIS_URL: url, DATABASE_URL: databaseUrl }, "status");
    assert.equal(status.code, 1, status.err);
    assert.match(status.out, /READONLY/);
  }
});
