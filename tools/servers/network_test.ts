import assert from "node:assert/strict";
import { runCommand } from "./command.ts";
import { programOf } from "./install.ts";
import { type Host, openNetwork } from "./network.ts";
import { isGone } from "./pid.ts";
import { startProcess } from "./process.ts";
import { startRedis } from "./redis.ts";

const DEADLINE_MS = 60_000;
/** How long a client waits without a response. */
const SILENCE_MS = 1_000;

/** Asks the Redis at a port of `server` from `client`. */
function ping(client: Host, server: Host, port: number): Promise<string> {
  const args = ["-h", server.address, "-p", String(port), "PING"];
  const { command, args: all } = client.command(programOf("redis", "redis-cli"), args);
  return runCommand(command, all, { deadlineMs: SILENCE_MS });
}

Deno.test("network: packets of a link that is cut are dropped, those of the others are not, until it is healed", async () => {
  await using network = await openNetwork();
  const [a, b, c] = [await network.host(), await network.host(), await network.host()];
  await using redis = await startRedis({ host: b });
  assert.equal(await ping(a, b, redis.port), "PONG\n");
  await network.cut(a, b);
  await assert.rejects(ping(a, b, redis.port), /took more than 1000 ms/, "nothing is refused");
  assert.equal(await ping(c, b, redis.port), "PONG\n");
  assert.equal(await redis.cli("PING"), "PONG", "from this machine");
  await network.heal();
  assert.equal(await ping(a, b, redis.port), "PONG\n");
  await network.cutOneWay(b, c);
  await assert.rejects(ping(c, b, redis.port), /took more than 1000 ms/, "no answer comes back");
  assert.equal(await ping(a, b, redis.port), "PONG\n");
});

Deno.test("network: a degraded link delays packets and loses some, until it is healed", async () => {
  await using network = await openNetwork();
  const [a, b, c] = [await network.host(), await network.host(), await network.host()];
  await using redis = await startRedis({ host: b });
  const pingMs = async (client: Host) => {
    const startMs = performance.now();
    await ping(client, b, redis.port);
    return performance.now() - startMs;
  };
  await network.degrade(a, b, { delayMs: 100, lossPercent: 0 });
  const delayed = await pingMs(a);
  assert.ok(delayed >= 400, `two round trips of 200 ms took ${delayed} ms`);
  const direct = await pingMs(c);
  assert.ok(direct < delayed / 2, `${direct} ms on another link`);
  await network.heal();
  await network.degrade(a, b, { delayMs: 0, lossPercent: 100 });
  await assert.rejects(ping(a, b, redis.port), /took more than 1000 ms/, "every packet is lost");
  await network.heal();
  assert.equal(await ping(a, b, redis.port), "PONG\n");
});

Deno.test("network: what a run that was killed has left behind is removed", async () => {
  const dead = new Deno.Command("true").spawn();
  await dead.status;
  const namespace = `hf${dead.pid}n0-10`;
  await runCommand(programOf("iproute2", "ip"), ["netns", "add", namespace], { deadlineMs: DEADLINE_MS });
  await using left = await startProcess({
    command: "nsenter",
    args: [`--net=/run/netns/${namespace}`, "--", "sh", "-c", "echo here; exec sleep 600"],
    readyLine: /here/,
  });
  await using _network = await openNetwork();
  await left.exited;
  assert.ok(isGone(left.pid));
  const names = await runCommand(programOf("iproute2", "ip"), ["netns", "list"], { deadlineMs: DEADLINE_MS });
  assert.ok(!names.includes(namespace));
});
