/** Settings are facts of the deployment: what a process hears whose own are others. */
import assert from "node:assert/strict";
import { realWorld, sleep } from "../../src/runtime/world.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { inventory } from "./command_line.ts";
import { Service } from "./stack.ts";

const READY_MS = 60_000;

Deno.test("settings: a process with others is reported, by its log, by readyz and by doctor, and wipes no limit", async () => {
  const [redisUrl, databaseUrl] = [sharedRedis().url, await sharedPostgres().freshDatabase()];
  const NAMESPACE = freshNamespace();
  const env = { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl, NAMESPACE };
  const deployed = { ...env, USER_LIMIT_MS: "600000" };
  await using worker = await Service.start("worker", deployed);
  await using api = await Service.start("api", deployed);
  await using other = await Service.start("api", env);
  await api.ready();
  await other.ready();

  const adjust = (delta: string) => inventory(env, "adjust", "SKU", delta);
  assert.equal((await adjust("10")).code, 0);
  const buy = async (service: Service, order_id: string) => {
    const order = { sku: "SKU", user_id: "alice", order_id, amount: 1 };
    const { status, body } = await service.post("/api/v1/inventory/deduct", order);
    return [status, body.code];
  };
  assert.deepEqual(await buy(api, "o-1"), [200, undefined]);
  for (const delta of ["1", "1"]) {
    await sleep(realWorld, 1100); // longer than the shell's own limit
    const adjusted = await adjust(delta);
    assert.equal(adjusted.code, 0);
    assert.match(adjusted.err, /USER_LIMIT_MS is 1000 here and 600000 there/);
  }
  assert.deepEqual(await buy(api, "o-2"), [429, "rate_limited"]);
  assert.deepEqual(await buy(other, "o-2"), [429, "rate_limited"]);

  const difference = /USER_LIMIT_MS is 1000 here and 600000 there/;
  assert.match(JSON.stringify((await other.get("/readyz")).body.promises_off), difference);
  assert.doesNotMatch(JSON.stringify((await api.get("/readyz")).body.promises_off), difference);
  assert.match(JSON.stringify(other.logged("settings differ")), difference);
  assert.match((await inventory(env, "doctor")).out, difference);
  assert.deepEqual(api.logged("settings differ"), []);

  await worker.kill();
  await using next = await Service.start("worker", { ...env, USER_LIMIT_MS: "0" });
  await waitFor(() => next.logged("settings changed").length > 0, {
    deadlineMs: READY_MS,
    what: "the next worker to write its settings",
  });
  assert.match(JSON.stringify(next.logged("settings changed")), /USER_LIMIT_MS=0, was 600000/);
  await waitFor(async () => (await buy(api, "o-3"))[0] === 200, {
    deadlineMs: READY_MS,
    what: "a sale by the next worker's settings",
  });
});
