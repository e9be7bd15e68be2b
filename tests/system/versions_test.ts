/**
 * Two versions at once: this one, and the last one that did not keep its scripts in the ledger, from the repository's
 * own history.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../tools/servers/command.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Env, type Program, Service } from "./stack.ts";

/** The last commit whose worker did not keep its scripts. */
const BEFORE = "8d3427456b6ed73b3b0d954e6373c2fa85d3eeec";
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const DEADLINE_MS = 30_000;

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
    stack.use(await Service.start(program, env, Deno.execPath(), undefined, from));

  const oldWorker = await start("worker", folder);
  const oldApi = await start("api", folder);
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
