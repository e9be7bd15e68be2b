import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { type Proxy, startProxy } from "./proxy.ts";
import { freshNamespace, sharedRedis } from "./servers/shared.ts";
import { waitFor } from "./servers/wait.ts";

/** A client of the shared Redis through a proxy; it neither reconnects nor sends anything twice by itself. */
function connect(port: number): Redis {
  const redis = new Redis({
    host: "127.0.0.1",
    port,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  redis.on("error", () => {}); // cut connections are what these tests are about
  return redis;
}

function proxyToRedis(): Proxy {
  return startProxy(Number(new URL(sharedRedis().url).port));
}

Deno.test("the proxy carries requests and answers, also large ones", async () => {
  await using proxy = proxyToRedis();
  const redis = connect(proxy.port);
  const [key, value] = [freshNamespace(), "x".repeat(1_000_000)];
  await redis.set(key, value);
  assert.equal(await redis.get(key), value);
  assert.equal(proxy.connections, 1);
  redis.disconnect();
  await waitFor(() => proxy.connections === 0, { deadlineMs: 2000, what: "the end of the connection" });
});

Deno.test("a cut answer leaves the work done and its client without knowledge", async () => {
  await using proxy = proxyToRedis();
  const key = freshNamespace();
  const client = connect(proxy.port);
  await client.set(key, 20);
  proxy.cutReplies(1, { containing: "DECRBY" });
  assert.equal(await client.get(key), "20"); // another request is let through
  await assert.rejects(client.decrby(key, 5), /Connection is closed/);
  assert.equal(proxy.strikes, 1);

  const again = connect(proxy.port);
  assert.equal(await again.get(key), "15");
  assert.equal(await again.decrby(key, 5), 10);
  assert.equal(proxy.strikes, 1);
  again.disconnect();
});

Deno.test("stalled answers come in order after resume, and the server did the work meanwhile", async () => {
  await using proxy = proxyToRedis();
  const key = freshNamespace();
  const [client, direct] = [connect(proxy.port), new Redis(sharedRedis().url)];
  await client.set(key, 0);
  proxy.stallReplies();
  const answers: number[] = [];
  const late = Promise.all([1, 2].map(() => client.incr(key).then((value) => answers.push(value))));
  await waitFor(async () => await direct.get(key) === "2", { deadlineMs: 2000, what: "both increments" });
  assert.deepEqual(answers, []);
  proxy.resume();
  await late;
  assert.deepEqual(answers, [1, 2]);
  client.disconnect();
  await direct.quit();
});

Deno.test("cutAll() ends every connection, also a stalled one, and lets new ones in", async () => {
  await using proxy = proxyToRedis();
  const client = connect(proxy.port);
  await client.ping();
  proxy.stallReplies();
  const lost = assert.rejects(client.ping(), /Connection is closed/);
  proxy.cutAll();
  await lost;
  await waitFor(() => proxy.connections === 0, { deadlineMs: 2000, what: "the end of the connection" });
  proxy.resume();
  const again = connect(proxy.port);
  assert.equal(await again.ping(), "PONG");
  again.disconnect();
});

Deno.test("a proxy whose server is away closes the connection", async () => {
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = gone.addr.port;
  gone.close();
  await using proxy = startProxy(port);
  await assert.rejects(connect(proxy.port).ping(), /Connection is closed/);
});
