import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { withConnection } from "./database.ts";
import { startPostgres } from "./postgres.ts";
import { startProcess } from "./process.ts";
import { type RedisFlavour, startRedis } from "./redis.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "./shared.ts";
import { waitFor } from "./wait.ts";

const FLAVOURS: readonly RedisFlavour[] = ["redis", "valkey"];

for (const flavour of FLAVOURS) {
  Deno.test(`${flavour}: what was acknowledged is there after kill -9 and a restart`, async () => {
    await using server = await startRedis({ flavour });
    assert.equal(await server.cli("SET", "stock", "20"), "OK");
    const firstPid = server.pid;
    await server.kill();
    await assert.rejects(server.cli("PING"), /Connection refused/);
    await server.start();
    assert.notEqual(server.pid, firstPid);
    assert.equal(await server.cli("GET", "stock"), "20");
  });

  Deno.test(`${flavour}: a frozen server answers nothing, and everything once it is thawed`, async () => {
    await using server = await startRedis({ flavour });
    server.freeze();
    let answer = "";
    const late = server.cli("SET", "stock", "20").then((reply) => answer = reply);
    await assert.rejects(
      waitFor(() => answer !== "", { deadlineMs: 200, what: "an answer" }),
      /Waited 200 ms/,
    );
    server.thaw();
    assert.equal(await late, "OK");
  });

  Deno.test(`${flavour}: runs as it is shipped, unless a test says otherwise`, async () => {
    await using server = await startRedis({ flavour, args: ["--maxmemory-policy", "allkeys-lru"] });
    assert.equal(await server.cli("CONFIG", "GET", "appendfsync"), "appendfsync\nalways");
    assert.equal(await server.cli("CONFIG", "GET", "maxmemory-policy"), "maxmemory-policy\nallkeys-lru");
    await assert.rejects(server.cli("HGET", "stock"), /wrong number of arguments/);
  });

  Deno.test(`${flavour}: the shared server keeps namespaces apart`, async () => {
    const [mine, other] = [freshNamespace(), freshNamespace()];
    assert.match(mine, /^[a-z][a-z0-9_]{1,40}$/);
    assert.notEqual(mine, other);
    const redis = new Redis(sharedRedis(flavour).url);
    await redis.set(`{${mine}:0}:meta`, "1");
    assert.deepEqual(await redis.keys(`{${mine}:*`), [`{${mine}:0}:meta`]);
    assert.deepEqual(await redis.keys(`{${other}:*`), []);
    await redis.quit();
  });
}

Deno.test("postgres: what was committed is there after kill -9 and a restart", async () => {
  await using server = await startPostgres();
  const url = await server.freshDatabase();
  await withConnection(url, (sql) => sql`CREATE TABLE stock AS SELECT 20 AS available`);
  await server.kill();
  await assert.rejects(withConnection(url, (sql) => sql`SELECT 1`), /ECONNREFUSED/);
  await server.start();
  const rows = await withConnection(url, (sql) => sql`SELECT available FROM stock`);
  assert.deepEqual([...rows], [{ available: 20 }]);
});

Deno.test("postgres: a frozen server answers nothing, and everything once it is thawed", async () => {
  await using server = await startPostgres();
  await withConnection(server.url, async (sql) => {
    await sql`SELECT 1`;
    await server.freeze();
    let answered = false;
    const late = sql`SELECT 2 AS two`.then((rows) => {
      answered = true;
      return [...rows];
    });
    await assert.rejects(waitFor(() => answered, { deadlineMs: 200, what: "an answer" }), /Waited 200 ms/);
    await server.thaw();
    assert.deepEqual(await late, [{ two: 2 }]);
  });
});

Deno.test("postgres: a frozen server can be killed and started again", async () => {
  await using server = await startPostgres();
  await server.freeze();
  await server.kill();
  await server.start();
  assert.deepEqual([...await withConnection(server.url, (sql) => sql`SHOW fsync`)], [{ fsync: "on" }]);
});

Deno.test("postgres: every fresh database of the shared server is empty and its own", async () => {
  const urls = await Promise.all([sharedPostgres().freshDatabase(), sharedPostgres().freshDatabase()]);
  for (const url of urls) {
    await withConnection(url, (sql) => sql`CREATE TABLE only_here (sku text)`);
  }
  assert.notEqual(urls[0], urls[1]);
});

Deno.test("a process is ready with its line, and tells how it ended", async () => {
  const code = `console.log("listening on 8123"); setInterval(() => {}, 1000)`;
  await using server = await startProcess({ args: ["eval", code], readyLine: /listening on (\d+)/ });
  assert.equal(server.match[1], "8123");
  assert.equal(server.output(), "listening on 8123\n");
  server.signal("SIGTERM");
  assert.equal((await server.exited).signal, "SIGTERM");
});

Deno.test("a process that ends before it is ready is an error with its output", async () => {
  const args = ["eval", `console.error("no such setting"); Deno.exit(2)`];
  await assert.rejects(
    startProcess({ args, readyLine: /listening/ }),
    /it ended first, code 2:\nno such setting/,
  );
});

Deno.test("a process that is not ready in time is killed", async () => {
  const args = ["eval", `setInterval(() => {}, 1000)`];
  const started = startProcess({ args, readyLine: /listening/, readyDeadlineMs: 100 });
  await assert.rejects(started, /it did not in 100 ms/);
});

Deno.test("waitFor() gives the condition's last error as the cause", async () => {
  const refused = new Error("connection refused");
  const waiting = waitFor(() => Promise.reject(refused), { deadlineMs: 50, what: "readiness" });
  await assert.rejects(
    waiting,
    (error: Error) => error.cause === refused && /for readiness/.test(error.message),
  );
});

Deno.test("waitFor() gives up on a condition that never answers", async () => {
  const never = new Promise<boolean>(() => {});
  await assert.rejects(
    waitFor(() => never, { deadlineMs: 50, what: "an answer" }),
    /Waited 50 ms for an answer/,
  );
});

Deno.test("waitFor() says what it saw last, and asks once more after the deadline when this process was held up", async () => {
  const seen = () => ({ status: 503 });
  await assert.rejects(
    waitFor(() => false, { deadlineMs: 30, what: "readiness", seen }),
    /^Error: Waited 30 ms for readiness, asked \d+ times: saw { status: 503 }$/,
  );
  let asked = 0;
  await waitFor(() => {
    if (++asked > 1) return true;
    for (const startMs = performance.now(); performance.now() - startMs < 60;);
    return false;
  }, { deadlineMs: 30, what: "the second answer" });
});
