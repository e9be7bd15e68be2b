/**
 * The document and the behavior, held against each other: what is documented works, what happens is documented.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { openApiDocument } from "../../src/http/openapi/document.ts";
import { problems } from "../../src/http/schemas/problems.ts";
import { say } from "../../src/runtime/lifecycle.ts";
import { boardBounds } from "../../src/live/board.ts";
import {
  type AppUnderTest,
  type Backend,
  backends,
  plainBackend,
  startApp,
  startUnarmedApp,
} from "./armed_app.ts";
import { runSeed } from "./commands.ts";
import {
  type Answer,
  bodySchemas,
  codesOf,
  judge,
  type Operation,
  operations,
  schemas,
} from "./documented.ts";
import { allowed, forbidden, type Generated } from "./generated_requests.ts";
import { violations } from "./json_schema.ts";
import { shrunkCaseFirst } from "../random.ts";

const base = "http://127.0.0.1:8080";
const adminToken = "a".repeat(40);
const buyerToken = "b".repeat(40);

/** Every switch is on: tokens, limits, blocks. */
const everythingOn = {
  API_TOKENS: JSON.stringify({
    [adminToken]: ["admin", "read", "deduct", "return", "tokens"],
    [buyerToken]: ["deduct"],
  }),
  RATE_LIMIT: "6/60",
  RATE_LIMIT_BY: "user_id",
  BLOCKED: "user:user-7-1",
  PURCHASE_TOKEN_KEY: "k".repeat(40),
  USER_LIMIT_MS: "1000",
};

async function send({ app }: AppUnderTest, path: string, init: RequestInit): Promise<Response> {
  return await app.fetch(new Request(`${base}${path}`, init));
}

function bearer(init: RequestInit, token: string): RequestInit {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${token}`);
  return { ...init, headers };
}

function operationOf(operationId: string): Operation {
  return operations.find((one) => one.operationId === operationId) ?? assert.fail(operationId);
}

/** Rules that the language of schemas has no words for. */
const beyondSchemas = /must be after opens_at|units of .* in all/;

/** Holds an answer to a generated request against the document. */
async function judgeGenerated(api: AppUnderTest, request: Generated, init: RequestInit): Promise<Answer> {
  const answer = await judge(request.operation, await send(api, request.path, init));
  const at = `${request.operation.operationId} ${request.path} ${request.broken} ${
    JSON.stringify(answer.body)
  }`;
  assert.ok(answer.status < 500, at);
  if (request.status !== null) assert.equal(answer.status, request.status, at);
  const isBeyond = beyondSchemas.test(String(answer.body.detail));
  if (request.broken === null && !isBeyond) {
    assert.ok(![400, 405, 413, 415].includes(answer.status), `the document allows it: ${at}`);
    assert.notEqual(answer.code, "not_found", at);
  }
  return answer;
}

Deno.test("every route is in the document, and nothing else is", async () => {
  await using api = await startApp();
  const routes = api.app.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  const documented = operations.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(routes.toSorted(), documented.toSorted());
});

Deno.test("every reference of the document leads somewhere, and every operation has a name of its own", () => {
  const document = openApiDocument();
  const references = [...JSON.stringify(document).matchAll(/"(#\/[^"]+)"/g)].map(([, path = ""]) => path);
  assert.ok(references.length > 100);
  for (const reference of references) {
    let found: unknown = document;
    for (const part of reference.slice(2).split("/")) found = (found as Record<string, unknown>)[part];
    assert.ok(found, reference);
  }
  const names = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("no caller can change the document", () => {
  const paths = openApiDocument().paths as Record<string, Record<string, Record<string, unknown>>>;
  assert.throws(() => paths["/livez"] = {}, TypeError);
  assert.throws(() => Object.assign(paths["/livez"]?.get ?? {}, { summary: "no" }), TypeError);
});

Deno.test("every example of the document fits its schema", () => {
  let examples = 0;
  for (const { operationId, requestBody, responses } of operations) {
    const contents = [requestBody?.content ?? {}, ...Object.values(responses).map(({ content }) => content)];
    for (const { schema, example, examples: more = {} } of contents.flatMap((one) => Object.values(one))) {
      const values = example === undefined ? Object.values(more).map(({ value }) => value) : [example];
      examples += values.length;
      for (const value of values) assert.deepEqual(violations(schema, value, schemas), [], operationId);
    }
  }
  assert.ok(examples > 100, `only ${examples} examples`);
});

Deno.test("every problem code is documented at some operation", () => {
  const documented = new Set(operations.flatMap(codesOf));
  assert.deepEqual(Object.keys(problems).filter((code) => !documented.has(code)), []);
});

/** Registers a test of the API on every backend. */
function testEach(title: string, body: (backend: Backend) => Promise<void>): void {
  for (const backend of backends) Deno.test(`${backend.name}: ${title}`, () => body(backend));
}

testEach(
  "what the document allows is never refused as invalid, and every answer is documented",
  async (backend) => {
    const seed = runSeed();
    say(`seed ${seed}`);
    await using open = await startApp({ USER_LIMIT_MS: "0" }, backend);
    await using strict = await startApp(everythingOn, backend);
    await fillShelves(open);
    await fillShelves(strict);
    const seen = new Map<string, number>();
    const request = fc.oneof(...operations.map(allowed));
    const property = fc.asyncProperty(request, fc.boolean(), async (request, isOpen) => {
      const init = isOpen ? request.init : bearer(request.init, adminToken);
      const { code } = await judgeGenerated(isOpen ? open : strict, request, init);
      const key = `${request.operation.operationId} ${code}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    });
    const answered = () => new Set([...seen.keys()].map((key) => key.split(" ")[0]));
    const numRuns = backend === plainBackend ? 4000 : 1500;
    // A draw that leaves out an operation, or nearly all refusals, is followed by another one.
    for (let more = 0; answered().size < operations.length || seen.size <= 50; more++) {
      assert.ok(more < 10, `${answered().size} operations and ${seen.size} kinds of answers`);
      await fc.assert(property, { seed: seed + more, numRuns, reporter: shrunkCaseFirst });
    }
    assert.deepEqual([open.broken, strict.broken], [[], []]);
  },
);

async function fillShelves(api: AppUnderTest): Promise<void> {
  const { requestBody } = operationOf("adjustStock");
  const example = requestBody?.content["application/json"]?.example;
  for (const sku of ["SKU_123", "SKU_123-1"]) {
    const path = `/api/v1/inventory/${sku}/adjustments`;
    const response = await send(api, path, bearer(posted(example), adminToken));
    assert.equal((await judge(operationOf("adjustStock"), response)).status, 201);
  }
}

testEach("whatever breaks one rule of the document is refused as it says", async (backend) => {
  await using open = await startApp({}, backend);
  await using strict = await startApp(everythingOn, backend);
  let requests = 0;
  for (const operation of operations) {
    const example = operation.requestBody?.content["application/json"]?.example;
    for (const [api, token] of [[open, undefined], [strict, adminToken]] as const) {
      for (const request of forbidden(operation, (example ?? {}) as Record<string, unknown>, token)) {
        requests++;
        await judgeGenerated(api, request, request.init);
      }
    }
  }
  assert.deepEqual([open.broken, strict.broken], [[], []]);
  assert.ok(requests > 1000, `only ${requests} requests`);
});

testEach("without a token, or with one that does not allow it, every operation says so", async (backend) => {
  await using api = await startApp(everythingOn, backend);
  for (const operation of operations) {
    const path = operation.path.replaceAll(/\{\w+\}/g, "x");
    const isOpen = !codesOf(operation).includes("unauthorized");
    const body = bodySchemas(operation).length === 0 ? {} : posted({});
    const init = { ...body, method: operation.method };
    const none = await judge(operation, await send(api, path, init));
    const bad = await judge(operation, await send(api, path, bearer(init, "unknown")));
    const weak = await judge(operation, await send(api, path, bearer(init, buyerToken)));
    if (isOpen) continue;
    assert.deepEqual([none.code, bad.code], ["unauthorized", "unauthorized"], operation.operationId);
    const security = JSON.stringify((operation as unknown as { security: unknown }).security);
    assert.equal(weak.code === "forbidden", security !== '[{"bearer":["deduct"]}]', operation.operationId);
  }
});

testEach(
  "a store that is not armed is a documented 503 everywhere, with the time to wait",
  async (backend) => {
    await using api = await startUnarmedApp(backend);
    for (const operation of operations) {
      if (!codesOf(operation).includes("unarmed")) continue;
      const answer = await judge(operation, await send(api, ...example(operation)));
      assert.deepEqual([answer.status, answer.code], [503, "unarmed"], operation.operationId);
    }
    assert.equal((await judge(operationOf("readyz"), await send(api, "/readyz", {}))).status, 503);
  },
);

function posted(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const contents = { "content-type": "application/json", ...headers };
  return { method: "POST", headers: contents, body: JSON.stringify(body) };
}

function example(operation: Operation): [path: string, init: RequestInit] {
  const path = operation.path.replace("{sku}", "SKU_123").replace("{order_id}", "order-1001");
  const body = operation.requestBody?.content["application/json"]?.example;
  if (body === undefined) return [path, { method: operation.method }];
  return [path, { ...posted(body), method: operation.method }];
}

type Step = readonly [operationId: string, id: string, body: unknown, expected: string];

const line = (sku: string, amount: number) => ({ sku, amount });
const sale = (order_id: string, sku: string, amount = 1, user_id = "u") => ({
  order_id,
  user_id,
  sku,
  amount,
});
const hold = (order_id: string, amount = 2) => ({ order_id, user_id: "h", lines: [line("{w}A", amount)] });
const change = (adjustment_id: string, delta: number) => ({ adjustment_id, delta });
const rules = { opens_at: null, closes_at: null, quota: null, purchase_token: false, expected: "{version}" };

/** A body in which `{version}` stands for the version of the rules that were set last. */
function withVersion(body: unknown, version: number): unknown {
  return JSON.parse(JSON.stringify(body).replace('"{version}"', String(version)));
}

/** One walk through the API that meets every success and what it can be refused for, in this order. */
const walk: readonly Step[] = [
  ["adjustStock", "{w}A", change("a1", 100), "201 accepted"],
  ["adjustStock", "{w}A", change("a2", 10), "200 accepted"],
  ["adjustStock", "{w}A", change("a2", 11), "422 adjustment_conflict"],
  ["adjustStock", "{w}A", change("a3", -1000), "409 insufficient_stock"],
  ["adjustStock", "{w}A", change("a4", 1_000_000_000_000), "409 stock_limit"],
  ["adjustStock", "none", change("a5", -1), "404 unknown_sku"],
  ["setStock", "{w}B", { adjustment_id: "s1", available: 5, expected: null }, "201 accepted"],
  ["setStock", "{w}B", { adjustment_id: "s2", available: 50, expected: 5 }, "200 accepted"],
  ["setStock", "{w}B", { adjustment_id: "s3", available: 50, expected: 5 }, "409 stale"],
  ["setStock", "{w}B", { adjustment_id: "s2", available: 51, expected: 5 }, "422 adjustment_conflict"],
  ["setStock", "none", { adjustment_id: "s4", available: 1, expected: 1 }, "404 unknown_sku"],
  ["readStock", "{w}A", undefined, "200 accepted"],
  ["readStock", "none", undefined, "404 unknown_sku"],
  ["deduct", "", sale("o1", "{w}A"), "200 accepted"],
  ["deduct", "", sale("o1", "{w}A"), "200 accepted"],
  ["deduct", "", sale("o1", "{w}A", 2), "422 order_conflict"],
  ["deduct", "", sale("o2", "{w}A"), "429 rate_limited"],
  ["deduct", "", sale("o3", "none"), "404 unknown_sku"],
  ["deduct", "", sale("o3", "{w}B", 51), "409 insufficient_stock"],
  ["deductBatch", "", { items: [sale("b1", "{w}B", 1, "v"), sale("b2", "none"), {}] }, "200 accepted"],
  [
    "placeOrder",
    "",
    { order_id: "o4", user_id: "w", lines: [line("{w}A", 1), line("{w}B", 1)] },
    "200 accepted",
  ],
  [
    "placeOrder",
    "",
    { order_id: "o5", user_id: "x", lines: [line("{w}A", 1), line("none", 1)] },
    "404 unknown_sku",
  ],
  ["findOrder", "o4", undefined, "200 accepted"],
  ["findOrder", "none", undefined, "404 unknown_order"],
  ["returnUnits", "o4", { return_id: "r1", lines: [line("{w}A", 1)] }, "200 accepted"],
  ["returnUnits", "o4", { return_id: "r1", lines: [line("{w}A", 2)] }, "422 return_conflict"],
  ["returnUnits", "o4", { return_id: "r2", lines: [line("{w}A", 1)] }, "409 return_exceeds_sold"],
  ["returnUnits", "none", { return_id: "r1", lines: [line("{w}A", 1)] }, "404 unknown_order"],
  ["reserve", "", hold("h1"), "201 accepted"],
  ["reserve", "", hold("h1"), "201 accepted"],
  ["findOrder", "h1", undefined, "200 accepted"],
  ["extend", "h1", { ttl_seconds: 1200 }, "200 accepted"],
  ["extend", "none", { ttl_seconds: 1200 }, "404 unknown_reservation"],
  ["confirm", "h1", { lines: [line("{w}A", 3)] }, "409 confirm_exceeds_held"],
  ["confirm", "h1", { lines: [line("{w}A", 1)] }, "200 accepted"],
  ["confirm", "h1", { lines: [line("{w}A", 1)] }, "200 accepted"],
  ["confirm", "h1", {}, "409 already_confirmed"],
  ["cancel", "h1", {}, "409 already_confirmed"],
  ["extend", "h1", { ttl_seconds: 1200 }, "409 already_confirmed"],
  ["reserve", "", { ...hold("h2"), user_id: "i" }, "201 accepted"],
  ["cancel", "h2", {}, "200 accepted"],
  ["cancel", "h2", {}, "200 accepted"],
  ["confirm", "h2", {}, "409 already_cancelled"],
  ["cancel", "none", {}, "404 unknown_reservation"],
  ["pause", "{w}A", { reason: "price" }, "200 accepted"],
  ["deduct", "", sale("o6", "{w}A", 1, "p"), "409 sku_paused"],
  ["resume", "{w}A", {}, "200 accepted"],
  ["pause", "none", {}, "404 unknown_sku"],
  ["setRules", "{w}A", { ...rules, opens_at: "2900-01-01T00:00:00Z" }, "200 accepted"],
  ["deduct", "", sale("o6", "{w}A", 1, "p"), "409 not_open"],
  ["setRules", "{w}A", { ...rules, closes_at: "2020-01-01T00:00:00Z" }, "200 accepted"],
  ["deduct", "", sale("o6", "{w}A", 1, "p"), "409 sale_closed"],
  ["setRules", "{w}A", { ...rules, quota: 1 }, "200 accepted"],
  ["setRules", "{w}A", { ...rules, quota: 2, expected: 0 }, "409 stale"],
  ["deduct", "", sale("o6", "{w}A", 2, "p"), "409 quota_exceeded"],
  ["setRules", "{w}A", { ...rules, purchase_token: true }, "200 accepted"],
  ["deduct", "", sale("o6", "{w}A", 1, "p"), "403 purchase_token_required"],
  ["setRules", "none", { ...rules, expected: 1 }, "404 unknown_sku"],
  ["setRules", "{w}C", { ...rules, quota: 1, expected: null }, "201 accepted"],
  ["setStock", "{w}C", { adjustment_id: "s5", available: 5, expected: null }, "201 accepted"],
  [
    "issuePurchaseToken",
    "",
    { order_id: "o6", user_id: "p", lines: [{ sku: "{w}A", amount: 1 }] },
    "200 accepted",
  ],
  ["deduct", "", sale("o7", "{w}B", 1, "user-7-1"), "403 blocked"],
  ["livez", "", undefined, "200 accepted"],
  ["readyz", "", undefined, "200 accepted"],
  ["openapi", "", undefined, "200 accepted"],
  ["docs", "", undefined, "200 accepted"],
  ["opsPage", "", undefined, "200 accepted"],
  ["opsStream", "", undefined, "200 accepted"],
];

testEach("one walk meets every success that is documented", async (backend) => {
  await using api = await startApp({ ...everythingOn, RATE_LIMIT: "100/60" }, backend);
  const met = new Set<string>();
  let version = 0;
  for (const [operationId, id, body, expected] of walk) {
    const operation = operationOf(operationId);
    const path = operation.path.replace(/\{\w+\}/, id);
    const init = body === undefined ? {} : posted(withVersion(body, version));
    const response = await send(api, path, bearer({ ...init, method: operation.method }, adminToken));
    if (operationId === "setRules" && response.status === 200) {
      version = (await response.clone().json()).rules_version;
    }
    const { status, code } = await judge(operation, response);
    assert.equal(`${status} ${code}`, expected, `${operationId} ${id} ${JSON.stringify(body)}`);
    met.add(`${operationId} ${status}`);
  }
  const documented = operations.flatMap(({ operationId, responses }) =>
    Object.keys(responses).filter((status) => status < "300").map((status) => `${operationId} ${status}`)
  );
  assert.deepEqual(documented.filter((success) => !met.has(success)), []);
  assert.deepEqual(api.broken, []);
});

testEach("where buyers are limited, the one above the limit gets a time to retry", async (backend) => {
  await using api = await startApp({ ...everythingOn, RATE_LIMIT: "2/60" }, backend);
  const operation = operationOf("deduct");
  const buy = async () =>
    await judge(operation, await send(api, operation.path, bearer(posted(sale("o", "none")), adminToken)));
  const answers = [await buy(), await buy(), await buy()];
  assert.deepEqual(answers.map(({ code }) => code), ["unknown_sku", "unknown_sku", "too_many_requests"]);
  for (const { headers } of answers) assert.match(headers.get("ratelimit") ?? "", /^"buyer";r=\d+;t=\d+$/);
});

Deno.test("where buyers are limited, what follows on an order counts as well", async () => {
  for (const by of ["address", "user_id"]) {
    await using api = await startApp({ ...everythingOn, RATE_LIMIT: "2/60", RATE_LIMIT_BY: by });
    const bodies: [string, unknown][] = [
      ["findOrder", undefined],
      ["returnUnits", { return_id: "r", lines: [{ sku: "A", amount: 1 }] }],
      ["confirm", {}],
      ["cancel", {}],
      ["extend", { ttl_seconds: 60 }],
    ];
    for (const [i, [operationId, body]] of bodies.entries()) {
      const operation = operationOf(operationId);
      const ask = async (orderId: string) => {
        const init = body === undefined ? {} : posted(body);
        const path = operation.path.replace(/\{\w+\}/, orderId);
        const response = await send(api, path, bearer({ ...init, method: operation.method }, adminToken));
        return await judge(operation, response);
      };
      const answers = [await ask(`o-${i}`), await ask(`o-${i}`), await ask(`o-${i}`)];
      assert.equal(answers[2]?.code, "too_many_requests", `${operationId} by ${by}`);
      assert.match(answers[2]?.headers.get("ratelimit") ?? "", /^"buyer";r=0;t=\d+$/);
      // An order has a bucket of its own; an address has one for all.
      if (by === "user_id") assert.notEqual(answers[1]?.code, "too_many_requests");
    }
  }
});

testEach("an adjustment id is good for as many SKUs as an order has lines", async (backend) => {
  await using api = await startApp({}, backend);
  const operation = operationOf("adjustStock");
  const codes: string[] = [];
  for (let i = 0; i <= 100; i++) {
    const response = await send(api, `/api/v1/inventory/{one}S${i}/adjustments`, posted(change("one", 1)));
    codes.push((await judge(operation, response)).code);
  }
  assert.deepEqual([codes.indexOf("order_too_large"), codes.length], [100, 101]);
});

testEach("without a key for purchase tokens, both places that need one say so", async (backend) => {
  await using api = await startApp({}, backend);
  const tokens = await judge(
    operationOf("issuePurchaseToken"),
    await send(
      api,
      "/api/v1/purchase-tokens",
      posted({ order_id: "o", user_id: "u", lines: [{ sku: "S", amount: 1 }] }),
    ),
  );
  const init = { ...posted({ ...rules, purchase_token: true, expected: 0 }), method: "PUT" };
  const ruled = await judge(operationOf("setRules"), await send(api, "/api/v1/inventory/A/rules", init));
  assert.deepEqual([tokens.code, ruled.code], ["purchase_tokens_off", "purchase_tokens_off"]);
});

Deno.test("what the stream tells is a snapshot as documented, before anything was sold and after", async () => {
  await using api = await startApp();
  await fillShelves(api);
  const stream = await send(api, "/ops/stream", {});
  assert.equal((await send(api, "/api/v1/inventory/deduct", posted(sale("o", "SKU_123")))).status, 200);
  const events = (stream.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
  for (const sold of [0, 1]) {
    const { value = "" } = await events.read();
    const snapshot = JSON.parse(value.replace(/^data: /, ""));
    assert.deepEqual(violations({ $ref: "#/components/schemas/Snapshot" }, snapshot, schemas), []);
    assert.equal(snapshot.top_skus.length, sold);
  }
  await events.cancel();
});

Deno.test("streams beyond the bound are a documented 503", async () => {
  await using api = await startApp();
  const streams: Response[] = [];
  while (streams.length < boardBounds.streamsMax) streams.push(await send(api, "/ops/stream", {}));
  const { status, code } = await judge(operationOf("opsStream"), await send(api, "/ops/stream", {}));
  assert.deepEqual([status, code], [503, "too_many_streams"]);
  await streams[0]?.body?.cancel();
  assert.equal((await judge(operationOf("opsStream"), await send(api, "/ops/stream", {}))).status, 200);
  api.app.stop();
  assert.equal((await judge(operationOf("opsStream"), await send(api, "/ops/stream", {}))).status, 503);
});

Deno.test("the live page runs and looks as its policy says, and loads nothing", async () => {
  await using api = await startApp();
  const response = await send(api, "/ops", {});
  const page = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.ok(policy.startsWith("default-src 'none'; "), policy);
  for (const [element, source] of [["script", "script-src"], ["style", "style-src"]] as const) {
    const [, text = ""] = new RegExp(`<${element}>([^]*)</${element}>`).exec(page) ?? [];
    const digest = createHash("sha256").update(text).digest("base64");
    assert.ok(policy.includes(`${source} 'sha256-${digest}'`), policy);
  }
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.doesNotMatch(page, /<link|<img|<iframe|javascript:|\bon\w+="|style="|src="|innerHTML|https?:[/]{2}/);
  // Every element that the script fills in is there.
  for (const [, id] of page.matchAll(/(?:put|element)\("(\w+)"/g)) assert.ok(page.includes(`id="${id}"`), id);
});

Deno.test("the document is served as it is, and the page for it runs nothing and loads nothing", async () => {
  await using api = await startApp();
  assert.deepEqual(await (await send(api, "/openapi.json", {})).json(), openApiDocument());
  const response = await send(api, "/docs", {});
  const page = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  const [, style = ""] = /<style>([^]*)<\/style>/.exec(page) ?? [];
  const digest = createHash("sha256").update(style).digest("base64");
  assert.ok(policy.startsWith("default-src 'none'; "), policy);
  assert.ok(policy.includes(`style-src 'sha256-${digest}'`), policy);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.doesNotMatch(page, /<script|<link|<img|<iframe|javascript:|\bon\w+="|style="|src="|https?:[/]{2}/);
  for (const { path, operationId } of operations) {
    assert.ok(page.includes(`id="${operationId}"`) && page.includes(`<code>${path}</code>`), path);
  }
});
