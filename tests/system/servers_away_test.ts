/** Servers that are away, want another password, or speak another protocol: one line, what, why, and what mends it. */
import assert from "node:assert/strict";
import { adviceOn } from "../../src/runtime/advice.ts";
import { whyDenoTooOld } from "../../src/runtime/lifecycle.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { inventory } from "./command_line.ts";
import { type Env, runToEnd, Service } from "./stack.ts";

const NOWHERE = "127.0.0.1:1";
const DEADLINE_MS = 60_000;

/** An HTTP server in the place of another one. */
function web(): { readonly address: string } & AsyncDisposable {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("no", { status: 400 }),
  );
  return { address: `127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Waits for a line of the log that says what mends it. */
async function assertMends(service: Service, message: string, mend: RegExp): Promise<void> {
  const said = () => service.logged(message).map((line) => String(line.mend));
  await waitFor(() => said().some((line) => mend.test(line)), {
    deadlineMs: DEADLINE_MS,
    what: `'${message}' with ${mend}`,
  }).catch((cause) => {
    throw new Error(`it said ${said().join("; ") || "nothing"}`, { cause });
  });
}

/** All that a command says on its error stream, but for the warnings of Deno itself: one line. */
async function lastLine(env: Env, ...args: string[]): Promise<{ code: number; line: string }> {
  const { code, err } = await inventory(env, ...args);
  const lines = err.trim().split("\n").filter((line) => !/OTEL_DENO|Warning/.test(line));
  assert.equal(lines.length, 1, err);
  return { code, line: lines[0] ?? "" };
}

function assertNoStack(output: string): void {
  assert.doesNotMatch(output, /^\s+at /m, "a stack trace is not for users");
}

Deno.test("api: listens within seconds whatever DATABASE_URL leads to, and says what mends it", async () => {
  await using wrong = web();
  for (
    const [address, mend] of [[NOWHERE, /nothing listens there/], [
      wrong.address,
      /PostgreSQL's protocol/,
    ]] as const
  ) {
    const env = {
      REDIS_URL: sharedRedis().url,
      NAMESPACE: freshNamespace(),
      DATABASE_URL: `postgres://u:p@${address}/x`,
    };
    await using api = await Service.start("api", env);
    assert.ok(api.startMs < 15_000, `listened after ${api.startMs} ms`);
    assert.equal((await api.get("/livez")).status, 200);
    await assertMends(api, "ledger does not answer", mend);
    assertNoStack(api.output());
    assert.equal((await api.stop()).code, 0);
  }
});

Deno.test("worker: waits for a ledger that is away or speaks another protocol, says what mends it, and ends with 0 on SIGTERM", async () => {
  await using wrong = web();
  for (
    const [address, mend] of [[NOWHERE, /nothing listens there/], [
      wrong.address,
      /PostgreSQL's protocol/,
    ]] as const
  ) {
    const env = { REDIS_URL: sharedRedis().url, DATABASE_URL: `postgres://u:p@${address}/x` };
    await using worker = await Service.start(
      "worker",
      env,
      { readyLine: /ledger unavailable/ },
    );
    await assertMends(worker, "ledger unavailable", mend);
    const { code, output } = await worker.stop();
    assert.equal(code, 0, output);
    assertNoStack(output);
  }
});

Deno.test("redis: a wrong password, a closed port and another protocol are distinguished, by API and command line alike", async () => {
  await using wrong = web();
  await using redis = await startRedis({ args: ["--requirepass", "secret"] });
  const { host } = new URL(redis.url);
  const cases: readonly [string, RegExp][] = [
    [`redis://:wrong@${host}`, /user or password is wrong: correct it in REDIS_URL/],
    [`redis://${host}`, /requires a password: add it to REDIS_URL/],
    [`redis://${NOWHERE}`, /nothing listens there/],
    [`redis://${wrong.address}`, /Redis's protocol/],
  ];
  await Promise.all(cases.map(async ([url, mend]) => {
    const env: Env = { REDIS_URL: url };
    await using api = await Service.start("api", env);
    await assertMends(api, "redis", mend);
    assertNoStack(api.output());
    const { code, line } = await lastLine(env, "stock", "SKU");
    assert.equal(code, 1, line);
    assert.match(line, mend);
    assert.match(line, /^Cannot reach REDIS_URL: /);
    assert.doesNotMatch(line, /wrong@/);
  }));
});

Deno.test("command line: a ledger that cannot be used is one line that names DATABASE_URL", async () => {
  await using wrong = web();
  for (
    const [address, mend] of [[NOWHERE, /nothing listens there/], [
      wrong.address,
      /PostgreSQL's protocol/,
    ]] as const
  ) {
    const env = { REDIS_URL: sharedRedis().url, DATABASE_URL: `postgres://u:p@${address}/x` };
    const { code, line } = await lastLine(env, "dead-letters");
    assert.equal(code, 1, line);
    assert.match(line, /^Cannot use DATABASE_URL: /);
    assert.match(line, mend);
  }
});

Deno.test("worker: a broker that is away or speaks another protocol is one line that says what mends it", async () => {
  await using wrong = web();
  const servers = { REDIS_URL: sharedRedis().url, DATABASE_URL: await sharedPostgres().freshDatabase() };
  for (
    const [broker, mend] of [[NOWHERE, /nothing listens there/], [
      wrong.address,
      /Kafka's protocol|no answer/,
    ]] as const
  ) {
    await using worker = await Service.start("worker", {
      ...servers,
      NAMESPACE: freshNamespace(),
      KAFKA_BROKERS: broker,
    });
    await assertMends(worker, "topic unavailable", mend);
    assertNoStack(worker.output());
  }
});

Deno.test("embedded: a folder that cannot be written ends the API with one line and the command that mends it", async () => {
  const file = await Deno.makeTempFile();
  try {
    const { code, said } = await runToEnd("api", { DATA_DIR: `${file}/data` });
    assert.equal(code, 2);
    assert.match(said, /^Cannot use DATA_DIR '.*' as it cannot be made or written: .*mkdir -p .*$/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("advice: drivers' errors lead to what is to be corrected", () => {
  const errors: readonly [Parameters<typeof adviceOn>[0], string, RegExp][] = [
    [
      "DATABASE_URL",
      'password authentication failed for user "x"',
      /^user or password is wrong: correct it in DATABASE_URL/,
    ],
    ["DATABASE_URL", 'database "x" does not exist', /^create it with createdb/],
    ["DATABASE_URL", 'role "x" does not exist', /roles\.sql/],
    ["DATABASE_URL", 'no pg_hba.conf entry for host "::1"', /pg_hba\.conf/],
    ["DATABASE_URL", "getaddrinfo ENOTFOUND nowhere", /^no host has this name/],
    ["REDIS_URL", "connect ETIMEDOUT", /firewall/],
    [
      "DATABASE_URL",
      "no response within 3000 ms; the server may not be PostgreSQL",
      /firewall.*does not speak PostgreSQL's protocol/,
    ],
    [
      "DATABASE_URL",
      "the server closed the connection during the login; it may not be PostgreSQL",
      /does not speak PostgreSQL's protocol/,
    ],
    [
      "REDIS_URL",
      "Cannot reach Redis within 5000 ms: received corrupt message",
      /^the server does not speak TLS there/,
    ],
    ["DATABASE_URL", "disconnected before secure TLS connection was established", /leave TLS out/],
    ["REDIS_URL", "Cannot reach Redis within 5000 ms", /^correct REDIS_URL/],
    ["REDIS_URL", "self-signed certificate", /^TLS fails/],
    ["KAFKA_BROKERS", "SASL PLAIN authentication failed: Invalid username or password", /KAFKA_USERNAME/],
    ["KAFKA_BROKERS", "something new", /^correct KAFKA_BROKERS\. Check with: /],
  ];
  for (const [setting, error, advice] of errors) assert.match(adviceOn(setting, error), advice, error);
});

Deno.test("a Deno that is too old is named with the command that mends it", () => {
  assert.equal(whyDenoTooOld("2.5.0"), undefined);
  assert.equal(whyDenoTooOld("3.0.0-rc.1"), undefined);
  for (const old of ["2.4.5", "1.46.3"]) {
    assert.match(whyDenoTooOld(old) ?? "", /^Cannot run on Deno .*deno upgrade'$/);
  }
});
