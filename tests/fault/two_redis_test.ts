/** One address that leads to two Redis servers, a connection each in turn: a load balancer before two masters. */
import assert from "node:assert/strict";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { inventory } from "../system/command_line.ts";
import { Service, startStack } from "../system/stack.ts";
import { armings, drained, queryNumber, refusalOf, saying } from "./fault_probe.ts";
import { startForwarder } from "./forwarder.ts";

const UNITS = 100;
const DEADLINE_MS = 60_000;

/** Every API process is asked in turn. Returns how many orders were accepted. */
async function sell(apis: readonly Service[], prefix: string, orders: number): Promise<number> {
  let sold = 0;
  for (let i = 0; i < orders; i++) {
    const order = { sku: "sku", user_id: "user", order_id: `${prefix}-${i}`, amount: 1 };
    const { status } = await apis[i % apis.length]?.post("/api/v1/inventory/deduct", order) ?? {};
    if (status === 200) sold++;
  }
  return sold;
}

Deno.test("two Redis servers behind one address: neither sells until one of them is gone, and no unit is sold twice", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using forwarder = startForwarder(first.port);
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = { REDIS_URL: forwarder.url, DATABASE_URL: databaseUrl, USER_LIMIT_MS: "0" };
  await using stack = await startStack({ redisUrl: forwarder.url, databaseUrl, env: { USER_LIMIT_MS: "0" } });
  const { api, worker } = stack;
  await stockUp(api, new Map([["sku", UNITS]]));
  let sold = await sell([api], "before", 10);
  await drained(first);

  forwarder.redirect(first.port, second.port);
  await using other = await Service.start("api", env);
  await using third = await Service.start("api", env);
  const apis = [api, other, third];
  assert.match(await refusalOf(worker), /address must lead to one server/);
  assert.equal(await sell(apis, "between", 30), 0);
  for (const redis of [first, second]) {
    assert.equal(await redis.cli("HGET", "{inventory:0}:meta", "armed"), "");
  }
  const doctor = await inventory(env, "doctor");
  assert.match(doctor.out, /address +bad +must lead to one server/);

  const before = armings(worker);
  forwarder.redirect(first.port);
  await saying(worker, "an arming", () => armings(worker) > before);
  for (const one of apis) await one.ready(DEADLINE_MS);
  sold += await sell(apis, "after", UNITS);
  assert.equal(sold, UNITS);
  await drained(first, DEADLINE_MS);
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.order_lines"), UNITS);
});

Deno.test("an address that leads to another Redis from now on: connections that stay on the old one are given up, and it sells no more", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using forwarder = startForwarder(first.port);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: forwarder.url, databaseUrl, env: { USER_LIMIT_MS: "0" } });
  const { api, worker } = stack;
  await stockUp(api, new Map([["sku", UNITS]]));
  const sold = await sell([api], "before", 10);
  await drained(first);

  const before = armings(worker);
  forwarder.lead(second.port); // connections that are open go on leading to the first
  await saying(worker, "an arming of the second", () => armings(worker) > before);
  assert.equal(await first.cli("HGET", "{inventory:0}:meta", "armed"), "");
  assert.equal(await second.cli("HGET", "{inventory:0}:stock", "sku"), `${UNITS - sold} 0`);
  assert.equal(await sell([api], "between", 5), 0, "this process is still connected to the first");
  await api.stop();
  await api.restart();
  await api.ready(DEADLINE_MS);
  assert.equal(sold + await sell([api], "after", UNITS), UNITS);
  await drained(second, DEADLINE_MS);
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.order_lines"), UNITS);
});
