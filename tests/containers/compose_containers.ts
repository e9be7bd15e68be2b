/**
 * `docs/deploy/production.md` as it is written, on a real engine: `up`, its curl lines, orders through nginx while a container
 * is killed and another one loses its network, and the audit to the unit.
 *
 * The images are stand-ins, so this proves compose.yaml, the Dockerfile and the scripts of deploy/, not the images that
 * are named: not their digests, which are taken out here, not their own entry points, users and file systems, not PostgreSQL 17 (Debian's 15 runs), not nginx 1.28
 * (1.22 runs), not the telemetry, which only answers its health checks (test:backends runs the real programs).
 */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { readCompose, ROOT } from "../system/compose.ts";
import { Engine } from "./engine.ts";
import { makeStandIns } from "./stand_ins.ts";

const SKUS = ["hot-1", "hot-2", "hot-3", "hot-4", "hot-5"];
const UNITS = 200;
const ORDERS = 1500;
const BUYERS = 24;
const ADMIN = "local-only-token-of-admin";
const SHOP = "local-only-token-of-shop";
const API = "https://localhost:8443/api/v1";
/** Of each service in compose.yaml. */
const FILES = 65_536;
const ANSWER_DEADLINE_MS = 120_000;
const RETRY_MS = 250;
/** A disconnected master is replaced after 2 s by its own vote, and its shards are verified then. */
const CUT_MS = 8_000;

/** The `sh` blocks of a document's section. */
function blocksOf(document: string, heading: string): string[] {
  const text = Deno.readTextFileSync(ROOT + document);
  const section = text.slice(text.indexOf(heading)).split(/\n## /)[0] ?? "";
  return [...section.matchAll(/```sh\n([^]*?)```/g)].map(([, block = ""]) => block);
}

/** What a clone has, without what git ignores. */
async function clone(): Promise<string> {
  const folder = await dataDir("clone");
  const list = await runCommand("git", ["-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], {
    deadlineMs: 30_000,
  });
  const copy = `cd "$1" && xargs -0 cp --parents -t "$2"`;
  await Deno.writeTextFile(`${folder}.list`, list);
  await runCommand("sh", ["-c", `${copy} < "$2.list"`, "sh", ROOT, folder], { deadlineMs: 60_000 });
  await Deno.remove(`${folder}.list`);
  for (const file of ["compose.yaml", "Dockerfile", "deploy/compose/probe.Dockerfile"]) {
    const text = await Deno.readTextFile(`${folder}/${file}`);
    // Stand-ins have the names of the images, and cannot have their digests.
    await Deno.writeTextFile(`${folder}/${file}`, text.replaceAll(/@sha256:[0-9a-f]{64}/g, ""));
  }
  return folder;
}

interface Sold {
  readonly accepted: number;
  readonly refused: number;
  readonly repeated: number;
}

/** Sends every order until it has an answer that settles it. */
async function sell(client: Deno.HttpClient, run: string): Promise<Sold> {
  const counts = { accepted: 0, refused: 0, repeated: 0 };
  const orders = Array.from({ length: ORDERS }, (_, i) => i).values();
  const buyer = async () => {
    for (const i of orders) {
      const body = { sku: SKUS[i % SKUS.length], user_id: `u-${i}`, order_id: `${run}-${i}`, amount: 1 };
      const giveUpMs = performance.now() + ANSWER_DEADLINE_MS;
      for (;;) {
        const status = await ask(client, SHOP, "POST", "inventory/deduct", body).then(
          (answer) => answer.status,
          () => 0,
        );
        if (status === 200) counts.accepted++;
        else if (status === 409) counts.refused++;
        if (status === 200 || status === 409) break;
        assert.ok([0, 429, 500, 502, 503, 504].includes(status), `order ${i} was answered ${status}`);
        assert.ok(performance.now() < giveUpMs, `order ${i} has no answer but ${status}`);
        counts.repeated++;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  await Promise.all(Array.from({ length: BUYERS }, buyer));
  return counts;
}

async function ask(
  client: Deno.HttpClient,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${API}/${path}`, {
    client,
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    signal: AbortSignal.timeout(15_000),
    ...body === undefined ? {} : { body: JSON.stringify(body) },
  });
  return { status: response.status, body: await response.json() };
}

/** Kills an API's container and cuts a Redis master off, each once, while orders come. */
async function break_(engine: Engine): Promise<void> {
  await engine.docker("kill", "holdfast-api-2-1");
  await engine.docker("network", "disconnect", "holdfast_store", "holdfast-redis-2-1");
  await new Promise((resolve) => setTimeout(resolve, CUT_MS));
  const address = ["--ip", "172.28.7.12", "--alias", "redis-2"];
  await engine.docker("network", "connect", ...address, "holdfast_store", "holdfast-redis-2-1");
  await engine.docker("start", "holdfast-api-2-1");
}

/**
 * A machine that may not raise its limit of open files (a container itself, say) cannot give compose.yaml's: the file
 * next to it, which Compose merges, lowers it there.
 */
async function fitLimits(folder: string, report: (line: string) => void): Promise<void> {
  const hard = Number(await runCommand("sh", ["-c", "ulimit -Hn"], { deadlineMs: 10_000 }));
  if (!(hard < FILES)) return;
  report(`This machine allows ${hard} open files, compose.yaml asks for ${FILES}: lowered for this test`);
  const names = Object.keys(readCompose().services);
  const ulimits = { nofile: { soft: hard, hard } };
  const services = Object.fromEntries(names.map((name) => [name, { ulimits }]));
  await Deno.writeTextFile(`${folder}/compose.override.yaml`, JSON.stringify({ services }));
}

/** Units left of every SKU. */
async function unitsLeft(client: Deno.HttpClient): Promise<number> {
  let left = 0;
  for (const sku of SKUS) {
    let available: unknown;
    // A master was cut off: its shards sell again once their successor was verified.
    await waitFor(async () => {
      ({ available } = (await ask(client, ADMIN, "GET", `inventory/${sku}`)).body);
      return typeof available === "number";
    }, { deadlineMs: ANSWER_DEADLINE_MS, what: `the units of ${sku}` });
    left += available as number;
  }
  return left;
}

/** Runs a block of the document; `docker` is the engine's. */
function block(engine: Engine, folder: string, text: string): Promise<string> {
  return engine.run("sh", ["-eu", "-c", text], folder);
}

Deno.test("containers: docs/deploy/production.md as written; a kill and a cut in a rush; accepted = applied = initial - left", async () => {
  // deno-lint-ignore no-console -- minutes pass the first time: the user sees why
  const report = (line: string) => console.log(line);
  await using engine = await Engine.start(report);
  await makeStandIns(engine, report);
  const folder = await clone();
  await fitLimits(folder, report);
  const compose = (...args: string[]) => engine.run("docker", ["compose", ...args], folder);
  const [up = "", first = ""] = blocksOf("docs/deploy/production.md", "## Try it in containers");
  try {
    report("docker compose up");
    await block(engine, folder, up);
    const certificate = await Deno.readTextFile(`${folder}/deploy/nginx/tls/certificate.pem`);
    using client = Deno.createHttpClient({ caCerts: [certificate] });
    // nginx is the last to start, and `up` does not wait for it. /readyz stays inside; nginx waited for ready APIs.
    const isReady = () =>
      fetch(API.replace("/api/v1", "/livez"), { client }).then(({ ok, body }) =>
        body?.cancel().then(() => ok)
      );
    await waitFor(async () => await isReady() ?? false, { deadlineMs: 60_000, what: "nginx and the APIs" });
    const sold = await block(engine, folder, first);
    assert.match(sold, /"delta":1000[^]*"order_id":"o1"/, sold);
    for (const sku of SKUS) {
      const made = await ask(client, ADMIN, "POST", `inventory/${sku}/adjustments`, {
        adjustment_id: "first",
        delta: UNITS,
      });
      assert.equal(made.status, 201);
    }
    const run = crypto.randomUUID().slice(0, 8);
    report("orders, a kill, a cut");
    const [counts] = await Promise.all([sell(client, run), break_(engine)]);
    const left = await unitsLeft(client);
    const applied = async () => {
      const query = `select count(*) from inventory.order_lines where order_id like '${run}-%'`;
      return Number(
        await compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "holdfast", "-Atc", query),
      );
    };
    const initial = SKUS.length * UNITS;
    await waitFor(async () => await applied() >= initial - left, { deadlineMs: 60_000, what: "the ledger" });
    report(`${JSON.stringify(counts)}; left ${left}, applied ${await applied()} of ${initial}`);
    assert.equal(counts.accepted, initial - left, "accepted = initial - left");
    assert.equal(await applied(), counts.accepted, "applied = accepted");
    assert.equal(left, 0, "the last units were sold too");
    await compose("run", "--rm", "-T", "inventory", "reconcile");
    const { shards } = JSON.parse(await compose("run", "--rm", "-T", "inventory", "status", "--json"));
    const holders = new Set(shards.map(({ lease }: { lease: string }) => lease));
    assert.equal(holders.size, 2, `two workers have two names: ${[...holders]}`);
  } catch (error) {
    report(String(error));
    report(await compose("ps", "--all").catch(String));
    report(await compose("logs", "--no-color", "--tail", "25").catch(String));
    throw error;
  } finally {
    await compose("down", "--volumes", "--timeout", "5").catch((error) => report(String(error)));
  }
});
