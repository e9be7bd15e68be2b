/** `inventory import`, `skus`, `status` and `--version` on real servers and through a running API. */
import assert from "node:assert/strict";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { deployment, inventory, json } from "./command_line.ts";
import { startEmbedded } from "./stack.ts";

async function fileOf(text: string): Promise<string> {
  const path = `${await dataDir("import")}/stock.csv`;
  await Deno.writeTextFile(path, text);
  return path;
}

const RULED = "sku,available,opens_at,quota\nplain,5,,\nlater,7,2099-01-01T00:00:00Z,2\n";

Deno.test("import: a file with a duplicate writes nothing; a dry run says what would become of each row", async () => {
  await using run = await deployment({ SHARDS: "2" });
  const { env } = run;
  const twice = await inventory(env, "import", await fileOf("sku,available\nA,1\nB,2\nA,3\n"));
  assert.equal(twice.code, 1);
  assert.match(twice.err, /nothing was written:\n\s+line 4 has the same sku as line 2/);
  assert.equal((await json(env, 1, "stock", "A")).code, "unknown_sku");

  await json(env, 0, "adjust", "plain", "1");
  const file = await fileOf(RULED);
  const dry = await json(env, 1, "import", file, "--dry-run");
  assert.partialDeepStrictEqual(dry, { rows: 2, created: 1, refused: 1, dry_run: true });
  const adding = await json(env, 0, "import", file, "--dry-run", "--mode", "add");
  assert.partialDeepStrictEqual(adding, { created: 1, changed: 1, refused: 0 });
  assert.equal((await json(env, 0, "stock", "plain")).available, 1, "nothing was written");
  assert.equal((await json(env, 1, "stock", "later")).code, "unknown_sku");
});

Deno.test("import: rules are there before the units are, and a repeat leaves what a person changed since", async () => {
  await using run = await deployment({ SHARDS: "2" });
  const { env, stack } = run;
  const file = await fileOf(RULED);
  assert.partialDeepStrictEqual(await json(env, 0, "import", file), { created: 2, repeated: 0, refused: 0 });
  assert.partialDeepStrictEqual(await json(env, 0, "stock", "later"), {
    available: 7,
    opens_at: "2099-01-01T00:00:00.000Z",
    quota: 2,
  });
  const order = { sku: "later", user_id: "u", order_id: "o-1", amount: 1 };
  assert.equal((await stack.api.post("/api/v1/inventory/deduct", order)).body.code, "not_open");

  await json(env, 0, "rules", "later", "--quota", "9");
  assert.partialDeepStrictEqual(await json(env, 0, "import", file), { repeated: 2, refused: 0 });
  assert.partialDeepStrictEqual(await json(env, 0, "stock", "later"), { available: 7, quota: 9 });
  const more = await fileOf("sku,available,quota\nlater,3,4\n");
  assert.partialDeepStrictEqual(await json(env, 0, "import", more, "--mode", "add"), { changed: 1 });
  assert.partialDeepStrictEqual(await json(env, 0, "stock", "later"), { available: 10, quota: 4 });

  await json(env, 0, "reconcile"); // returns when all is applied
  const first = await json(env, 0, "skus", "--limit", "1");
  assert.partialDeepStrictEqual(first, { skus: [{ sku: "later", available: 10 }], next: "later" });
  const second = await json(env, 0, "skus", "--limit", "1", "--after", "later");
  assert.partialDeepStrictEqual(second, { skus: [{ sku: "plain", available: 5 }], next: null });
});

/** Passes `/shop/…` on to an API: what a reverse proxy with a prefix does. */
function behindPrefix(apiUrl: string) {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/shop/api/")) return new Response("not here", { status: 404 });
    const target = new URL(pathname.slice("/shop".length), apiUrl);
    const body = request.body === null ? null : await request.arrayBuffer();
    return await fetch(target, { method: request.method, headers: request.headers, body });
  });
}

Deno.test("import --api: the embedded default imports through its API, behind a prefix too", async () => {
  await using service = await startEmbedded(await dataDir("import-embedded"), { DEMO_STOCK: "0" });
  await using proxy = behindPrefix(service.url);
  const api = ["--api", `http://127.0.0.1:${proxy.addr.port}/shop/`];
  assert.equal((await json({}, 1, "stock", "plain", ...api)).code, "unknown_sku");
  const file = await fileOf(RULED);
  assert.partialDeepStrictEqual(await json({}, 0, "import", file, "--dry-run", ...api), { created: 2 });
  assert.partialDeepStrictEqual(await json({}, 0, "import", file, ...api), { created: 2, refused: 0 });
  assert.partialDeepStrictEqual(await json({}, 0, "import", file, ...api), { repeated: 2, created: 0 });
  assert.partialDeepStrictEqual(await json({}, 0, "stock", "later", ...api), { available: 7, quota: 2 });
  const other = await fileOf("sku,available\nplain,1\nnew,2\n");
  const refused = await inventory({}, "import", other, ...api);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /line 2: 'plain' exists already, with 5 available/);

  for (const url of ["shop", "ftp://h/", "http://h/?a=1", "http://u:p@h/"]) {
    const { code, err } = await inventory({}, "stock", "plain", "--api", url);
    assert.deepEqual([code, /--api must be an address/.test(err)], [2, true], `${url}: ${err}`);
  }
  const elsewhere = `http://127.0.0.1:${proxy.addr.port}`;
  const wrong = await inventory({}, "import", file, "--api", elsewhere);
  assert.deepEqual([wrong.code, /is not JSON/.test(wrong.err)], [2, true], wrong.err);
});

Deno.test("status: on a database without tables it says that no worker has started yet; --version prints one line", async () => {
  const env = {
    REDIS_URL: sharedRedis().url,
    DATABASE_URL: await sharedPostgres().freshDatabase(),
    NAMESPACE: freshNamespace(),
    SHARDS: "2",
  };
  const { code, out, err } = await inventory(env, "status");
  assert.equal(code, 1, "no shard can sell");
  assert.match(out, /armed/);
  assert.match(err, /a worker creates them at its first start/);
  assert.doesNotMatch(err, /does not exist/);
  const version = await inventory({}, "--version");
  assert.equal(version.code, 0);
  assert.match(version.out, /^holdfast \d+\.\d+\.\d+ \(deno \d+\.\d+\.\d+\)$/);
});
