/**
 * `deploy/redis` and `deploy/postgres` as they are shipped: the real processes do all of their work under the users and
 * roles in there, over TLS, and these may do nothing else.
 */
import assert from "node:assert/strict";
import { Router } from "../../src/decide/router.ts";
import { Connection } from "../../src/redis/connection.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { makeCertificates, type ShippedRedis, startShippedRedis } from "../../tools/servers/shipped_redis.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Env, Service } from "./stack.ts";

const DEADLINE_MS = 60_000;
const ROLES = new URL("../../deploy/postgres/roles.sql", import.meta.url);
const USERS = new URL("../../deploy/redis/users.acl", import.meta.url);

/** API and worker on shipped servers, each as its own user; certificates are checked. */
async function startDeployed(nodes: readonly ShippedRedis[], databaseUrl: string, own: Env = {}) {
  await using owned = new AsyncDisposableStack();
  const env = (user: string) => ({
    REDIS_URL: nodes.map((node) => node.url(user)).join(","),
    DENO_CERT: nodes[0]?.caFile ?? "",
    USER_LIMIT_MS: "1", // so that a generation of limits is forgotten under way
    ...own,
  });
  const worker = owned.use(
    await Service.start("worker", { ...env("holdfast-worker"), DATABASE_URL: databaseUrl }),
  );
  const api = owned.use(await Service.start("api", { ...env("holdfast-api"), DATABASE_URL: databaseUrl }));
  await api.ready(DEADLINE_MS);
  const all = owned.move();
  return { api, worker, env, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Sends a request that must be answered with one of these. */
async function post(
  api: Service,
  path: string,
  body: unknown,
  ...expected: readonly number[]
): Promise<void> {
  const answer = await api.post(`/api/v1/${path}`, body);
  assert.ok(expected.includes(answer.status), `${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** Everything that the API can be asked for. */
async function everyCommand(api: Service): Promise<void> {
  const order = (id: string, amount = 1) => ({
    order_id: id,
    user_id: `user-of-${id}`,
    lines: [{ sku: "sku", amount }],
  });
  await post(api, "inventory/sku/adjustments", { adjustment_id: "a", delta: 100 }, 201);
  await post(api, "inventory/deduct", { sku: "sku", user_id: "u", order_id: "o-1", amount: 2 }, 200);
  await post(api, "orders", order("o-2"), 200, 201);
  await post(
    api,
    "orders/o-1/return",
    { return_id: "r", lines: [{ sku: "sku", amount: 1 }], reason: "" },
    200,
  );
  for (const id of ["h-1", "h-2", "h-3"]) {
    await post(api, "reservations", { ...order(id), ttl_seconds: id === "h-3" ? 1 : 60 }, 201);
  }
  await post(api, "reservations/h-1/extend", { ttl_seconds: 120 }, 200);
  await post(api, "reservations/h-1/confirm", {}, 200);
  await post(api, "reservations/h-2/cancel", {}, 200);
  await post(api, "inventory/sku/pause", { reason: "" }, 200);
  await post(api, "inventory/sku/resume", { reason: "" }, 200);
  const { body: { rules_version: expected } } = await api.get("/api/v1/inventory/sku");
  const rules = { opens_at: null, closes_at: null, quota: 5, purchase_token: false, expected };
  assert.equal((await api.put("/api/v1/inventory/sku/rules", rules)).status, 200);
  await post(api, "inventory/deduct", { sku: "sku", user_id: "counted", order_id: "o-3", amount: 1 }, 200);
  assert.equal((await api.get("/api/v1/orders/o-1")).status, 200);
  assert.equal((await api.get("/api/v1/orders/unheard-of")).status, 404, "the ledger was asked too");
  await waitFor(async () => (await api.get("/api/v1/inventory/sku")).body.reserved === 0, {
    deadlineMs: DEADLINE_MS,
    what: "a reservation to lapse",
  });
}

/** Waits until the ledger has every line that {@link everyCommand} has sold or held, and its last event. */
async function allApplied(databaseUrl: string, lines = 6): Promise<void> {
  const applied = () =>
    withConnection(databaseUrl, async (sql) => {
      const [row] = await sql<{ lines: number; last: boolean }[]>`
        select count(*)::int as lines, bool_or(order_id = 'o-3') as last from inventory.order_lines`;
      return row?.last && row.lines;
    });
  await waitFor(async () => await applied() === lines, {
    deadlineMs: DEADLINE_MS,
    what: "all lines applied",
  });
}

/** Commands that a user's line of `users.acl` names one by one. */
async function granted(user: string): Promise<string[]> {
  const line = (await Deno.readTextFile(USERS)).split("\n").find((line) => line.startsWith(`user ${user} `));
  assert.ok(line, `${user} has no line`);
  return [...line.matchAll(/ \+([a-z|]+)/g)].map(([, command]) => command ?? "");
}

/** Every command that a user may send was sent; what a cluster alone is asked is left out. */
async function assertAllNeeded(node: ShippedRedis, user: string): Promise<void> {
  const stats = await node.cli("admin", "INFO", "commandstats");
  const unused = (await granted(user))
    .filter((command) => command !== "@connection" && !command.startsWith("cluster|"))
    .filter((command) => !stats.includes(`cmdstat_${command}:`));
  assert.deepEqual(unused, [], `${user} is allowed what no process needs`);
}

/** Nothing that a process sent was refused. */
async function assertNothingDenied(node: ShippedRedis): Promise<void> {
  assert.equal(await node.cli("admin", "ACL", "LOG"), "", "a command was refused");
}

Deno.test("deploy/redis: API and worker do all of their work over TLS under their users, who may do nothing else", async () => {
  await using certificates = await makeCertificates();
  await using redis = await startShippedRedis("redis.conf", certificates.folder);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using deployed = await startDeployed([redis], databaseUrl);
  const { api, worker, env } = deployed;
  // The API alone at first: the server does not count by users.
  await worker.stop();
  await redis.cli("admin", "CONFIG", "RESETSTAT");
  await everyCommand(api);
  await api.ready();
  await assertAllNeeded(redis, "holdfast-api");
  await worker.restart();
  await waitFor(() => worker.logged("shard armed").length > 0, {
    deadlineMs: DEADLINE_MS,
    what: "the worker",
  });
  await allApplied(databaseUrl);
  const before = worker.logged("shard armed").length;
  await redis.cli("admin", "FLUSHALL");
  await waitFor(() => worker.logged("shard armed").length > before, {
    deadlineMs: DEADLINE_MS,
    what: "a rebuild",
  });
  await api.ready(DEADLINE_MS);
  assert.equal((await api.get("/api/v1/inventory/sku")).body.available, 96);
  await post(api, "inventory/deduct", { sku: "sku", user_id: "u", order_id: "o-9", amount: 1 }, 200);
  const held = { order_id: "h-4", user_id: "u", lines: [{ sku: "sku", amount: 1 }], ttl_seconds: 600 };
  await post(api, "reservations", held, 201);
  for (const verb of [["doctor"], ["status"], ["reconcile"], ["rebuild", "--yes"], ["doctor"]]) {
    await runCli({ ...env("holdfast-operator"), DATABASE_URL: databaseUrl }, verb);
  }
  await assertNothingDenied(redis);

  for (const user of ["holdfast-worker", "holdfast-operator"]) await assertAllNeeded(redis, user);

  const meta = "{inventory:0}:meta";
  const forbidden: [user: string, command: string[]][] = [
    ...["holdfast-api", "holdfast-worker"].flatMap((user): [string, string[]][] =>
      [
        ["EVAL", "return 1", "0"],
        ["SCRIPT", "FLUSH"],
        ["FUNCTION", "LIST"],
        ["CONFIG", "SET", "appendfsync", "no"],
        ["FLUSHALL"],
        ["DEL", meta],
        ["SET", meta, "x"],
        ["KEYS", "*"],
        ["SCAN", "0"],
        ["HGET", "{other:0}:meta", "armed"],
        ["HGET", "inventory", "armed"],
        ["ACL", "LIST"],
        ["CLIENT", "LIST"],
        ["CLIENT", "KILL", "127.0.0.1:1"],
        ["REPLICAOF", "NO", "ONE"],
        ["CLUSTER", "FAILOVER"],
        ["SHUTDOWN"],
        ["MONITOR"],
        ["SUBSCRIBE", "x"],
      ].map((command) => [user, command])
    ),
    ["holdfast-api", ["SCRIPT", "LOAD", "return 1"]],
    ["holdfast-api", ["CONFIG", "GET", "*"]],
    ["holdfast-api", ["XREAD", "STREAMS", "{inventory:0}:events", "0"]],
    ["holdfast-api", ["XTRIM", "{inventory:0}:events", "MAXLEN", "0"]],
    ["replica", ["HGET", meta, "armed"]],
    ["", ["PING"]],
  ];
  for (const [user, command] of forbidden) {
    await assert.rejects(redis.cli(user, ...command), /NOPERM|NOAUTH/, `${user}: ${command}`);
  }
});

Deno.test("deploy/redis: a client that does not trust the certificate does not connect", async () => {
  await using certificates = await makeCertificates();
  await using redis = await startShippedRedis("redis.conf", certificates.folder);
  const errors: string[] = [];
  const connection = new Connection(redis.url("holdfast-api"), {
    name: "stranger",
    world,
    onError: (error) => errors.push(error.message),
  });
  try {
    await waitFor(() => errors.length > 0, { deadlineMs: DEADLINE_MS, what: "a refusal" });
    assert.match(errors.join(), /certificate/);
    assert.ok(!connection.ready);
  } finally {
    await connection.close();
  }
});

Deno.test("deploy/redis: six nodes of the shipped file are a cluster that is sold from, over TLS and under the users", async () => {
  await using certificates = await makeCertificates();
  await using owned = new AsyncDisposableStack();
  const starting = Array.from({ length: 6 }, () => startShippedRedis("cluster.conf", certificates.folder));
  const nodes = (await Promise.all(starting)).map((node) => owned.use(node));
  const [first] = nodes;
  assert.ok(first);
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await first.cli("admin", "--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes");
  await waitFor(async () => {
    const infos = await Promise.all(nodes.map((node) => node.cli("admin", "INFO", "replication")));
    return infos.every((info) => /min_slaves_good_slaves:1|master_link_status:up/.test(info));
  }, { deadlineMs: 2 * DEADLINE_MS, what: "every master to have a good replica" });

  const databaseUrl = await sharedPostgres().freshDatabase();
  await using deployed = await startDeployed(nodes, databaseUrl, { SHARDS: "3", DURABILITY: "strict" });
  const { api } = deployed;
  const shards = new Set<unknown>();
  for (let i = 0; i < 12; i++) {
    await post(api, `inventory/sku-${i}/adjustments`, { adjustment_id: "a", delta: 5 }, 201);
    await post(
      api,
      "inventory/deduct",
      { sku: `sku-${i}`, user_id: "u", order_id: `o-${i}`, amount: 1 },
      200,
    );
    shards.add((await api.get(`/api/v1/inventory/sku-${i}`)).body.shard);
  }
  assert.equal(shards.size, 3);
  const { body } = await api.get("/readyz");
  assert.deepEqual(body.promises_off, [], "servers that are set up like this keep every promise");
  await Promise.all(nodes.map(assertNothingDenied));
});

Deno.test("deploy/postgres: worker and API do their work in their roles, auditors read, and no role does more", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  const as = (role: string) => Object.assign(new URL(databaseUrl), { username: role }).href;
  await withConnection(databaseUrl, async (sql) => {
    await sql.unsafe(await Deno.readTextFile(ROLES)).simple();
    await sql`create role auditor login in role holdfast_auditor`;
  });
  const env = { REDIS_URL: redis.url, USER_LIMIT_MS: "0", SHARDS: "2" };
  await using _worker = await Service.start("worker", { ...env, DATABASE_URL: as("holdfast_worker") });
  await using api = await Service.start("api", { ...env, DATABASE_URL: as("holdfast_api") });
  await api.ready(DEADLINE_MS);
  await everyCommand(api);
  const router = new Router(2);
  const skus = [0, 1].map((shard) => ["a", "b", "c", "d"].find((sku) => router.route(sku) === shard) ?? "");
  for (const sku of skus) {
    await post(api, `inventory/${sku}/adjustments`, { adjustment_id: "basket", delta: 10 }, 201);
  }
  const lines = skus.map((sku) => ({ sku, amount: 1 }));
  await post(api, "orders", { order_id: "basket", user_id: "u", lines }, 200);

  await allApplied(as("auditor"), 8);
  const forbidden: [role: string, statement: string][] = [
    ...["holdfast_api", "auditor"].flatMap((role): [string, string][] =>
      [
        "insert into inventory.dead_letters (shard, seq, event, sqlstate, reason) values (0, 1, '{}', '', '')",
        "update inventory.stock set available = 1000",
        "delete from inventory.movements",
        "truncate inventory.baskets",
        "truncate inventory.order_lines",
        "create table inventory.mine ()",
        "drop table inventory.stock",
        "alter table inventory.stock add column mine text",
      ].map((statement) => [role, statement])
    ),
    ["holdfast_worker", "create schema another"],
    ["holdfast_worker", "create table public.mine ()"],
    ["holdfast_worker", "create role another"],
    ["holdfast_worker", "update inventory.movements set delta = 0"],
    ["holdfast_worker", "delete from inventory.movements"],
    ["holdfast_worker", "truncate inventory.movements"],
  ];
  for (const [role, statement] of forbidden) {
    await assert.rejects(
      withConnection(as(role), (sql) => sql.unsafe(statement)),
      /permission denied|must be owner/,
      `${role}: ${statement}`,
    );
  }
  // What `inventory forget` does with the worker's role.
  const forgotten = "update inventory.movements set user_id = 'forgotten:x' where kind = 'deduct'";
  const { count } = await withConnection(as("holdfast_worker"), async (sql) => {
    await sql.unsafe("begin");
    const changed = await sql.unsafe(forgotten);
    await sql.unsafe("rollback"); // what the buyers sent is compared with the ledger at the end
    return changed;
  });
  assert.ok(count > 0);
});

/** The operator's command line, to its end, which must be a good one. */
async function runCli(env: Env, args: readonly string[]): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=cli", "inventory.ts", ...args],
    cwd: new URL("../..", import.meta.url),
    env,
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, `${args.join(" ")}: ${out}\n${err}`);
}
