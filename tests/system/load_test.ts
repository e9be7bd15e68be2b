/**
 * `deno task load` as a process of its own. A small program stands in for oha, which takes minutes to build: what is
 * tested is all around it.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { settings } from "../../src/runtime/settings/config.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { readLedger } from "./ledger_audit.ts";
import { ROOT } from "./compose.ts";
import { HistoryRecorder } from "./recorder.ts";
import { type Env, startEmbedded } from "./stack.ts";

const UNSET: Env = {
  ...Object.fromEntries(Object.values(settings).map(({ name }) => [name, ""])),
  OTEL_DENO: "false",
};
const DEADLINE_MS = 120_000;

/** Sends the orders as oha does, and notes its arguments and a SKU; with HANG it never ends. */
const OHA = `#!/usr/bin/env -S deno run --no-config -A
const args = Deno.args;
if (args[0] === "--version") Deno.exit(0);
const after = (name) => args[args.indexOf(name) + 1];
const codes = {};
const sent = [];
const bodies = Deno.readTextFileSync(after("-Z")).trim().split("\\n").slice(0, Number(after("-n")));
for (const body of bodies) {
  const headers = { "content-type": "application/json" };
  const calledMs = performance.now();
  const answer = await fetch(args.at(-1), { method: "POST", headers, body });
  const heard = {
    status: answer.status,
    replayed: answer.headers.get("idempotency-replayed") === "true",
    body: await answer.json(),
  };
  sent.push({ order: JSON.parse(body), times: { calledMs, returnedMs: performance.now() }, heard });
  codes[answer.status] = (codes[answer.status] ?? 0) + 1;
}
Deno.writeTextFileSync(Deno.env.get("OHA_NOTES") + ".json", JSON.stringify(sent));
const { sku } = JSON.parse(bodies[0]);
Deno.writeTextFileSync(Deno.env.get("OHA_NOTES"), [...args, "sku", sku].join(" "));
if (Deno.env.get("OHA_HANG")) await new Promise(() => setInterval(() => {}, 1000));
const latency_ms = { p50: 1, p95: 1, p99: 1, max: 1 };
const summary = { total: 1, requestsPerSec: bodies.length };
console.log(JSON.stringify({ summary, metrics: { latency_ms }, statusCodeDistribution: codes, errorDistribution: {} }));
`;

interface Loaded {
  readonly code: number;
  readonly out: string;
  /** What it left in its folder for temporary files. */
  readonly left: readonly string[];
  /** oha's arguments; empty when it was not started. */
  readonly oha: string;
  /** What its orders heard. */
  readonly history: HistoryRecorder;
}

/** Runs it; `meanwhile` gets its process and a question whether oha has sent its orders. */
async function load(
  args: readonly string[],
  env: Env,
  meanwhile?: (child: Deno.ChildProcess, notes: string) => Promise<void>,
): Promise<Loaded> {
  const folder = await dataDir("load-test");
  for (const name of ["bin", "tmp"]) await Deno.mkdir(`${folder}/${name}`);
  const notes = `${folder}/notes`;
  await Deno.writeTextFile(`${folder}/bin/oha`, OHA, { mode: env.NO_OHA ? 0o644 : 0o755 });
  const path = `${env.NO_OHA ? "" : `${folder}/bin:`}${dirname(Deno.execPath())}:/usr/bin:/bin`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=tools", `${ROOT}tools/load/load.ts`, ...args],
    cwd: ROOT,
    env: {
      ...UNSET,
      ...env,
      PATH: path,
      TMPDIR: `${folder}/tmp`,
      ...env.NO_OHA ? withoutCache(folder) : {},
      OHA_NOTES: notes,
      TEST_RUN_DIR: "",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), meanwhile?.(child, notes)]);
  return {
    code,
    out: [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join(""),
    left: [...Deno.readDirSync(`${folder}/tmp`)].map(({ name }) => name),
    oha: await Deno.readTextFile(notes).catch(() => ""),
    history: historyOf(JSON.parse(await Deno.readTextFile(`${notes}.json`).catch(() => "[]"))),
  };
}

/** The cache may hold a real oha; Deno's own packages stay where they are. */
function withoutCache(folder: string): Env {
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return { XDG_CACHE_HOME: folder, DENO_DIR: Deno.env.get("DENO_DIR") ?? `${cache}/deno` };
}

interface Sent {
  readonly order: {
    readonly order_id: string;
    readonly user_id: string;
    readonly sku: string;
    readonly amount: number;
  };
  readonly times: { readonly calledMs: number; readonly returnedMs: number };
  readonly heard: Parameters<HistoryRecorder["noteDeduct"]>[2];
}

function historyOf(sent: readonly Sent[]): HistoryRecorder {
  const history = new HistoryRecorder();
  for (const { order: { order_id, user_id, sku, amount }, times, heard } of sent) {
    history.noteDeduct({ orderId: order_id, userId: user_id, sku, amount }, times, heard);
  }
  return history;
}

Deno.test("load: without oha nothing is touched, and --help and wrong arguments need no server", async () => {
  const away = { NO_OHA: "1", REDIS_URL: "redis://127.0.0.1:1", DATABASE_URL: "postgres://127.0.0.1:1/x" };
  const without = await load([], away);
  assert.deepEqual([without.code, without.left], [2, []], without.out);
  assert.match(without.out, /cargo install oha --locked/);
  const help = await load(["--help"], away);
  assert.deepEqual([help.code, /--rate=N/.test(help.out)], [0, true], help.out);
  for (const wrong of ["--rate=0", "--orders=many", "--url=here", "--loud"]) {
    const { code, out } = await load([wrong], away);
    assert.equal(code, 2, out);
    assert.doesNotMatch(out, /^\s+at /m);
  }
});

Deno.test("load: the settings of the environment count, and no process, folder or unit is left", async () => {
  const namespace = freshNamespace();
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = { REDIS_URL: sharedRedis().url, DATABASE_URL: databaseUrl, NAMESPACE: namespace, SHARDS: "4" };
  const ran = await load(["--orders=200", "--skus=3", "--stock=50", "--rate=500"], env);
  assert.equal(ran.code, 0, ran.out);
  assert.match(ran.out, /accepted 150, refused 50, failed 0/);
  assert.match(ran.out, /units gone 150[^]*units applied 150\nstore and ledger agree/);
  assert.match(ran.oha, / -q 500 --latency-correction /);
  assert.deepEqual(ran.left, []);
  ran.history.assertHolds(await readLedger({ databaseUrl, namespace }, new Map()));
  await withConnection(databaseUrl, async (sql) => {
    const [found] = await sql`
      select (select shards from ${sql(namespace)}.deployment) as shards,
        (select sum(available)::int from ${sql(namespace)}.stock) as available,
        (select count(*)::int from pg_stat_activity where application_name like ${`${namespace}-%`}) as connections`;
    assert.deepEqual({ ...found }, { shards: 4, available: 0, connections: 0 });
  });
});

Deno.test("load: SIGTERM in the middle removes the stock from the system at --url, and ends oha", async () => {
  await using service = await startEmbedded(await dataDir("load-embedded"), { DEMO_STOCK: "0" });
  service.history.incomplete("the stand-in for oha orders");
  const args = ["--orders=30", "--skus=2", "--stock=100", `--url=${service.url}/`];
  const ran = await load(args, { OHA_HANG: "1" }, async (child, notes) => {
    await waitFor(() => Deno.stat(notes).then(() => true), { deadlineMs: 60_000, what: "oha to begin" });
    child.kill("SIGTERM");
  });
  assert.equal(ran.code, 130, ran.out);
  assert.deepEqual(ran.left, []);
  const sku = ran.oha.split(" ").at(-1);
  const stock = await service.get(`/api/v1/inventory/${sku}`);
  assert.partialDeepStrictEqual(stock, { status: 200, body: { available: 0 } });
});
