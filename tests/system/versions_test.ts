/**
 * Two versions at once: this one, and others from the repository's own history: one commit ago, the last release, and the
 * last one that did not keep its scripts in the ledger.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../tools/servers/command.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { note } from "../fault/fault_scenario.ts";
import { inventory } from "./command_line.ts";
import { type Env, type Program, Service } from "./stack.ts";

/** The last commit whose worker did not keep its scripts. */
const BEFORE = "8d3427456b6ed73b3b0d954e6373c2fa85d3eeec";
/** The last commit whose ledger has one table of movements. */
const ONE_TABLE = "ec566ad3ff87be06c7a5f841d8cd82409b56333c";
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const DEADLINE_MS = 60_000;

/** The last release before this commit; without one, the oldest version that this one runs together with. */
async function lastRelease(): Promise<string> {
  const args = ["-C", REPOSITORY, "describe", "--tags", "--abbrev=0", "HEAD~1"];
  return await runCommand("git", args, { deadlineMs: DEADLINE_MS }).then((tag) => tag.trim(), () => BEFORE);
}

/** Checks the commit out into a folder of its own. */
async function checkOut(commit: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  const tar = `${folder}/before.tar`;
  const git = ["-C", REPOSITORY, "archive", "--output", tar, commit];
  await runCommand("git", git, { deadlineMs: DEADLINE_MS }).catch((cause) => {
    throw new Error(
      `Cannot test against the version before as the history lacks commit ${commit}: this is a shallow clone or no ` +
        "clone. Get it with: git fetch --unshallow",
      { cause },
    );
  });
  await runCommand("tar", ["-xf", tar, "-C", folder], { deadlineMs: DEADLINE_MS });
  await Deno.remove(tar);
  return folder;
}

async function buy(api: Service, orderId: string): Promise<[number, unknown]> {
  const order = { sku: "sku", user_id: `user-of-${orderId}`, order_id: orderId, amount: 1 };
  const { status, body } = await api.post("/api/v1/inventory/deduct", order);
  return [status, body.new_stock ?? body.code];
}

Deno.test("versions: after an upgrade of the worker and a restart of Redis the APIs of both versions sell", async () => {
  const folder = await checkOut(BEFORE);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const redis = stack.use(await startRedis());
  const env: Env = { REDIS_URL: redis.url, DATABASE_URL: await sharedPostgres().freshDatabase() };
  const start = async (program: Program, from?: string) =>
    stack.use(await Service.start(program, env, { folder: from }));

  const oldWorker = await start("worker", folder);
  const oldApi = await start("api", folder);
  oldApi.history.unchecked("the version before refuses a replay of an order that this version sold");
  await oldApi.ready(DEADLINE_MS);
  const delivery = { adjustment_id: "d1", delta: 100, reason: "delivery" };
  assert.equal((await oldApi.post("/api/v1/inventory/sku/adjustments", delivery)).status, 201);
  assert.deepEqual(await buy(oldApi, "order-1"), [200, 99]);

  // Workers first.
  assert.equal((await oldWorker.stop()).code, 0);
  const worker = await start("worker");
  await waitFor(() => worker.logged("shard armed").length > 0, {
    deadlineMs: DEADLINE_MS,
    what: "an arming",
  });
  assert.deepEqual(await buy(oldApi, "order-2"), [200, 98]);
  await redis.kill();
  await redis.start();
  await oldApi.ready(DEADLINE_MS);
  assert.deepEqual(await buy(oldApi, "order-3"), [200, 97]);

  // Then the APIs: what one version sold, the other answers.
  const api = await start("api");
  await api.ready(DEADLINE_MS);
  assert.deepEqual(await buy(api, "order-3"), [200, 97], "a replay");
  assert.deepEqual(await buy(api, "order-4"), [200, 96]);

  // And the APIs back, after another restart.
  await api.stop();
  await redis.kill();
  await redis.start();
  const back = await start("api", folder);
  await back.ready(DEADLINE_MS);
  assert.deepEqual(await buy(back, "order-5"), [200, 95]);
  assert.deepEqual(await buy(back, "order-2"), [200, 98], "a replay of its own version's order");
  // Lines of this version carry no digest, so the version before cannot tell a replay from other contents.
  assert.deepEqual(await buy(back, "order-4"), [422, "order_conflict"], "never a second sale");
  const { body } = await back.get("/api/v1/inventory/sku");
  assert.equal(body.available, 95);
});

/** Buyers, each with one order at a time, who send it again until they know what became of it. */
class Buyers implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #buyers: Promise<void>[] = [];
  /** Order ids of the accepted ones. */
  readonly accepted: string[] = [];
  /** Answers other than an acceptance or a request to come again. */
  readonly others: string[] = [];
  longestGapMs = 0;
  #lastMs = performance.now();

  /** Lets `count` buyers begin, at the service that `apiOf` returns then. */
  join(name: string, count: number, apiOf: () => Service): void {
    for (let i = 0; i < count; i++) this.#buyers.push(this.#buyAll(`${name}-${i}`, apiOf));
  }

  async #buyAll(name: string, apiOf: () => Service): Promise<void> {
    for (let i = 0; !this.#stop.signal.aborted; i++) await this.#buy(`${name}-${i}`, i, apiOf);
  }

  /** Until the outcome is known, also when the buyers are to stop: every order is accounted for. */
  async #buy(orderId: string, i: number, apiOf: () => Service): Promise<void> {
    const order = { sku: `sku-${i % SKUS}`, user_id: orderId, order_id: orderId, amount: 1 };
    const giveUpMs = performance.now() + DEADLINE_MS;
    for (;;) {
      const answer = await apiOf().post("/api/v1/inventory/deduct", order).catch(() => undefined);
      if (answer?.status === 200) {
        const nowMs = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#lastMs);
        this.#lastMs = nowMs;
        this.accepted.push(orderId);
        return;
      }
      if (answer && answer.status !== 503) {
        this.others.push(`${orderId}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return;
      }
      if (performance.now() > giveUpMs) {
        this.others.push(`${orderId}: unknown for ${DEADLINE_MS} ms`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for so many more acceptances. */
  async sold(more: number): Promise<void> {
    const wanted = this.accepted.length + more;
    await waitFor(() => this.accepted.length >= wanted, {
      deadlineMs: DEADLINE_MS,
      what: `${more} sales more`,
      seen: () => `${this.accepted.length} accepted; ${this.others.slice(0, 3)}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#buyers);
  }
}

const SKUS = 20;
const UNITS = 100_000;

interface Other {
  readonly name: string;
  readonly commit: () => Promise<string> | undefined;
  /** Its workers arm shards that an API of this version does not sell: they are all replaced before the first API. */
  readonly isOld: boolean;
}

/** Other versions, and this one itself: a rolling restart. */
const others: readonly Other[] = [
  { name: "this version", commit: () => undefined, isOld: false },
  { name: "the version of one commit ago", commit: () => Promise.resolve("HEAD~1"), isOld: false },
  // Its worker applies while the table is partitioned, and afterwards.
  {
    name: "the last version with one table of movements",
    commit: () => Promise.resolve(ONE_TABLE),
    isOld: false,
  },
  { name: "the last release", commit: lastRelease, isOld: true },
];

for (const { name, commit, isOld } of others) {
  Deno.test(`versions: workers and APIs of ${name} are replaced one by one while all sell, and no order is lost or doubled`, async () => {
    const chosen = await commit();
    const folder = chosen === undefined ? undefined : await checkOut(chosen);
    await using stack = new AsyncDisposableStack();
    if (folder !== undefined) stack.defer(() => Deno.remove(folder, { recursive: true }));
    const redis = stack.use(await startRedis());
    const env: Env = {
      ...{ REDIS_URL: redis.url, DATABASE_URL: await sharedPostgres().freshDatabase() },
      ...{ SHARDS: "4", USER_LIMIT_MS: "0" },
    };
    const start = async (program: Program, from?: string) =>
      stack.use(await Service.start(program, env, { folder: from }));
    const isLeased = (worker: Service) =>
      waitFor(() => worker.logged("shard armed").length > 0, {
        deadlineMs: DEADLINE_MS,
        what: "a leased shard",
      });

    const oldWorker = await start("worker", folder);
    const oldApi = await start("api", folder);
    await oldApi.ready(DEADLINE_MS);
    for (let i = 0; i < SKUS; i++) {
      const delivery = { adjustment_id: `d-${i}`, delta: UNITS, reason: "delivery" };
      const { status } = await oldApi.post(`/api/v1/inventory/sku-${i}/adjustments`, delivery);
      assert.equal(status, 201);
    }
    const buyers = new Buyers();
    {
      await using _ = buyers;
      let first = oldApi;
      buyers.join("old", 4, () => first);
      await buyers.sold(100);
      const worker = await start("worker"); // it migrates the ledger, and takes half of the shards
      await isLeased(worker);
      await buyers.sold(100); // the old API on shards of both workers
      if (isOld) assert.equal((await oldWorker.stop()).code, 0);
      const api = await start("api");
      await api.ready(DEADLINE_MS);
      buyers.join("new", 4, () => api);
      await buyers.sold(200); // both APIs, on shards of both workers unless `isOld`
      if (!isOld) assert.equal((await oldWorker.stop()).code, 0);
      await buyers.sold(200); // both APIs on the new worker
      first = api;
      assert.equal((await oldApi.stop()).code, 0);
      await buyers.sold(100);
    }
    assert.deepEqual(buyers.others, []);
    note(
      `${name}: ${buyers.accepted.length} sold, at most ${Math.round(buyers.longestGapMs)} ms without a sale`,
    );
    await waitFor(
      async () => (await inventory(env, "status", "--json")).out.match(/"lag":0/g)?.length === 4,
      {
        deadlineMs: DEADLINE_MS,
        what: "a ledger that has everything",
      },
    );
    const [sold] = await withConnection(
      env.DATABASE_URL ?? "",
      (sql) =>
        sql<{ orders: number; units: number; left: number }[]>`
          select count(distinct order_id)::int as orders, -sum(delta)::int as units,
            (select sum(available)::int from inventory.stock) as left
          from inventory.movements where kind = 'deduct'`,
    );
    const count = buyers.accepted.length;
    assert.deepEqual({ ...sold }, { orders: count, units: count, left: SKUS * UNITS - count });
    for (const verb of ["verify", "reconcile"]) {
      const { code, out, err } = await inventory(env, verb);
      assert.equal(code, 0, `${verb}: ${out} ${err}`);
    }
  });
}
