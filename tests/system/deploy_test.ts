/**
 * The API as Deno Deploy runs it: `main.ts` alone, on Deploy's Deno and on the current one, with no flag, no
 * subprocess, no native library and no file to write.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../tools/servers/command.ts";
import { denoOfDeploy } from "../../tools/servers/deno.ts";
import { startProcess } from "../../tools/servers/process.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { readLedger, stockOf, stockUp } from "./ledger_audit.ts";
import { type Env, runToEnd, Service } from "./stack.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
/** What a start may take beyond that of Deno itself; 90 to 130 ms on a quiet machine. */
const START_MAX_MS = 300;
/** Deploy sends SIGKILL then. */
const STOP_MAX_MS = 5_000;
/** The best of them is what a start costs, the others tell how busy the machine is; it ends when one is good enough. */
const STARTS_MAX = 20;

/** What Deploy sets, with its OpenTelemetry, which cannot be turned off. */
const ON_DEPLOY: Env = {
  DENO_DEPLOY: "true",
  OTEL_DENO: "true",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
  API_TOKENS: '{"a-token-of-the-tests-of-deploy":{"name":"shop","scopes":["deduct","read","admin"]}}',
};

/** Starts a server that does nothing, and returns how long that took. */
async function startOfNothing(deno: string): Promise<number> {
  const startedMs = performance.now();
  const script = "Deno.serve({ port: 0, onListen: () => console.log('up') }, () => new Response())";
  await using _nothing = await startProcess({
    command: deno,
    args: ["eval", script],
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" },
    readyLine: /up/,
  });
  return performance.now() - startedMs;
}

for (
  const { version, program } of [
    { version: "the current Deno", program: () => Promise.resolve(Deno.execPath()) },
    { version: "Deploy's Deno", program: denoOfDeploy },
  ]
) {
  Deno.test(`deploy: on ${version} it sells, starts in 300 ms of its own and stops in 5 s`, async () => {
    const deno = await program();
    const databaseUrl = await sharedPostgres().freshDatabase();
    const servers = { REDIS_URL: sharedRedis().url, NAMESPACE: freshNamespace(), DATABASE_URL: databaseUrl };
    await using _worker = await Service.start("worker", servers);
    await using api = await Service.start("deploy", { ...servers, ...ON_DEPLOY }, { deno });
    await api.ready();
    await stockUp(api, new Map([["sku", 10]]));
    const buy = async (orderId: string) => {
      const order = { sku: "sku", user_id: orderId, order_id: orderId, amount: 1 };
      const { status, body } = await api.post("/api/v1/inventory/deduct", order);
      return [status, body.new_stock ?? body.code];
    };
    assert.deepEqual(await buy("order-1"), [200, 9]);
    assert.deepEqual(await buy("order-2"), [200, 8]);
    assert.deepEqual(await buy("order-1"), [200, 9], "a replay");
    const place = { databaseUrl, namespace: servers.NAMESPACE };
    const { lines } = await readLedger(place, await stockOf(api, ["sku"]));
    assert.deepEqual(lines.map((line) => [line.order_id, line.new_stock]), [["order-1", 9], ["order-2", 8]]);

    const own: number[] = [];
    while (own.length < STARTS_MAX && !own.some((ms) => ms < START_MAX_MS)) {
      const startedMs = performance.now();
      const { code } = await api.stop("SIGINT");
      assert.ok(performance.now() - startedMs < STOP_MAX_MS);
      assert.equal(code, 0);
      const nothingMs = await startOfNothing(deno);
      await api.restart();
      own.push(Math.round(api.startMs - nothingMs));
    }
    // deno-lint-ignore no-console -- the value is in README
    console.log(`own work at the start on ${version}: ${own.join(", ")} ms`);
    assert.ok(Math.min(...own) < START_MAX_MS, `${own} ms`);
  });
}

Deno.test("deploy: the embedded default and open access are refused with exit code 2 and the reasons", async () => {
  const { code, said } = await runToEnd("deploy", { DENO_DEPLOY: "true" });
  assert.equal(code, 2);
  assert.match(said, /REDIS_URL must be set on Deno Deploy, because its instances share no memory/);
  assert.match(said, /API_TOKENS must be set on Deno Deploy, because/);
});

Deno.test("api: DENO_SERVE_ADDRESS does not open it to others without tokens", async () => {
  const socket = `unix:${await dataDir("api")}/socket`;
  for (const address of [socket, "tcp:0.0.0.0:0", "duplicate,tcp:0.0.0.0:0", "duplicate,tcp:127.0.0.1:0"]) {
    const { code, said } = await runToEnd("api", {
      REDIS_URL: sharedRedis().url,
      DENO_SERVE_ADDRESS: address,
    });
    assert.equal(code, 2, address);
    assert.match(
      said,
      /DENO_SERVE_ADDRESS must be unset or tcp:127\.0\.0\.1:<port> without API_TOKENS, because/,
    );
  }
});

Deno.test("api: what only the embedded default or a Collector needs is not loaded for others", async () => {
  const info = await runCommand(Deno.execPath(), ["info", "--json", "main.ts"], {
    cwd: REPOSITORY,
    deadlineMs: 60_000,
  });
  const loaded = loadedAtStart(JSON.parse(info));
  assert.ok(loaded.has("npm:hono"), "hono is loaded at the start, so the graph was read rightly");
  const lazy = ["npm:@electric-sql/", "npm:@opentelemetry/", "npm:kafkajs"];
  assert.deepEqual([...loaded].filter((name) => lazy.some((prefix) => name.startsWith(prefix))), []);
});

/** What `deno info --json` says, as far as it is read here. */
interface ModuleGraph {
  readonly roots: readonly string[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier: string };
    }[];
  }[];
}

/** Everything that is imported without `import()`; packages without their versions. */
function loadedAtStart({ roots, redirects, modules }: ModuleGraph): ReadonlySet<string> {
  const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>();
  const waiting = [...roots];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (loaded.has(next)) continue;
    loaded.add(next);
    for (const { isDynamic, code } of bySpecifier.get(redirects[next] ?? next)?.dependencies ?? []) {
      if (code && !isDynamic) waiting.push(code.specifier);
    }
  }
  return new Set([...loaded].map((name) => name.replace(/(?<=.)@[\d.]+.*$/, "")));
}
