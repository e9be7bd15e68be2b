/**
 * The live page's stream from a process of its own: values move, places are limited and given back, and no client that
 * looks keeps it from stopping.
 */
import assert from "node:assert/strict";
import { boardBounds, type Snapshot } from "../../src/live/board.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockUp } from "./ledger_audit.ts";
import { Service, startEmbedded } from "./stack.ts";

const SNAPSHOT_DEADLINE_MS = 60_000;
const READ_TOKEN = "r".repeat(40);
const SELL_TOKEN = "s".repeat(40);
/** A stop takes 50 ms when idle; the watchdog of the process would end it after 10 s, with another code. */
const STOP_MAX_MS = 5_000;

/** A stream that is read to its end. */
class Watcher implements AsyncDisposable {
  readonly #abort: AbortController;
  readonly #ended: Promise<void>;
  /** All so far, oldest first. */
  readonly snapshots: Snapshot[] = [];
  /** Whether the server ended it. */
  isEnded = false;

  private constructor(response: Response, abort: AbortController) {
    this.#abort = abort;
    this.#ended = this.#read(response);
  }

  static async open({ url }: Service): Promise<Watcher> {
    const abort = new AbortController();
    const response = await fetch(`${url}/ops/stream`, { signal: abort.signal });
    if (response.status !== 200) assert.fail(await response.text());
    return new Watcher(response, abort);
  }

  /** Waits for a snapshot that is as wanted. */
  async seen(what: string, wanted: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
    await waitFor(() => this.snapshots.some(wanted), { deadlineMs: SNAPSHOT_DEADLINE_MS, what }).catch(
      (error) => {
        throw new Error(`${error.message}: ${JSON.stringify(this.snapshots.at(-1))}`, { cause: error });
      },
    );
    return this.snapshots.find(wanted) ?? assert.fail();
  }

  /** Goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  async #read({ body }: Response): Promise<void> {
    let text = "";
    try {
      for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const events = (text + chunk).split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) this.snapshots.push(JSON.parse(event.replace(/^data: /, "")));
      }
      this.isEnded = true;
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }
}

async function buy(service: Service, orderId: string): Promise<number> {
  const order = { sku: "hot", user_id: orderId, order_id: orderId, amount: 2 };
  return (await service.post("/api/v1/inventory/deduct", order)).status;
}

Deno.test("ops: a viewer sees what is sold, what is left and how far the ledger is", async () => {
  await using service = await startEmbedded(await dataDir("ops"));
  await stockUp(service, new Map([["hot", 10]]));
  await using watcher = await Watcher.open(service);
  await watcher.seen("a snapshot", () => true);
  for (let i = 0; i < 5; i++) assert.equal(await buy(service, `order-${i}`), 200);
  assert.equal(await buy(service, "too-late"), 409);
  const sold = await watcher.seen(
    "five sales and a refusal",
    ({ top_skus: [hot] }) => hot?.units === 10 && hot.refused === 1,
  );
  assert.equal(sold.top_skus[0]?.left, 0);
  assert.ok(
    sold.latency_ms !== null && sold.latency_ms.p50 > 0 && sold.latency_ms.max >= sold.latency_ms.p99,
  );
  assert.ok(watcher.snapshots.some(({ sales_per_second: { accepted } }) => accepted > 0));
  assert.deepEqual(sold.shards, { total: 1, unarmed: 0 });
  // Here an answer waits for the ledger.
  await watcher.seen(
    "ledger without lag",
    ({ log_lag, dead_letters }) => log_lag?.[0]?.lag === 0 && dead_letters === 0,
  );
});

Deno.test("ops: without a worker the lag grows and without a ledger it is not claimed to be known", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  const both = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl };
  await using worker = await Service.start("worker", both);
  await using api = await Service.start("api", both);
  await using blind = await Service.start("api", { REDIS_URL: redis.url });
  await api.ready();
  await stockUp(api, new Map([["hot", 100]]));
  await using watcher = await Watcher.open(api);
  await watcher.seen("ledger without lag", ({ log_lag }) => log_lag?.[0]?.lag === 0);
  await worker.kill();
  for (let i = 0; i < 3; i++) assert.equal(await buy(api, `order-${i}`), 200);
  await watcher.seen("three events behind", ({ log_lag }) => log_lag?.[0]?.lag === 3);
  await using other = await Watcher.open(blind);
  const { log_lag, dead_letters } = await other.seen("two snapshots", () => other.snapshots.length > 1);
  assert.deepEqual([log_lag, dead_letters], [null, null]);
  await worker.restart(); // for the orders that wait for the ledger
});

Deno.test("ops: one stream too many is refused, and a place is free when its client has gone", async () => {
  await using service = await startEmbedded(await dataDir("ops"));
  await using watchers = new AsyncDisposableStack();
  const first = await Watcher.open(service);
  for (let i = 1; i < boardBounds.streamsMax; i++) watchers.use(await Watcher.open(service));
  const { status, body } = await service.get("/ops/stream");
  assert.deepEqual([status, body.code], [503, "too_many_streams"]);
  await first[Symbol.asyncDispose]();
  await waitFor(async () => watchers.use(await Watcher.open(service)) !== undefined, {
    deadlineMs: SNAPSHOT_DEADLINE_MS,
    what: "a free place",
  });
});

Deno.test("ops: it takes the scope read to look, and none to get the page", async () => {
  const tokens = JSON.stringify({ [READ_TOKEN]: ["read"], [SELL_TOKEN]: ["deduct"] });
  await using service = await startEmbedded(await dataDir("ops"), { API_TOKENS: tokens });
  const look = async (path: string, token: string | null) => {
    const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(service.url + path, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await look("/ops/stream", null), 401);
  assert.equal(await look("/ops/stream", SELL_TOKEN), 403);
  assert.equal(await look("/ops/stream", READ_TOKEN), 200);
  assert.equal(await look("/ops", null), 200);
});

Deno.test("ops: a viewer does not keep the process from stopping", async () => {
  await using service = await startEmbedded(await dataDir("ops"));
  await using watcher = await Watcher.open(service);
  await watcher.seen("a second snapshot", () => watcher.snapshots.length > 1);
  const startMs = performance.now();
  const { code, output } = await service.stop();
  const ms = Math.round(performance.now() - startMs);
  assert.equal(code, 0, output);
  assert.ok(ms < STOP_MAX_MS, `${ms} ms`);
  await waitFor(() => watcher.isEnded, { deadlineMs: SNAPSHOT_DEADLINE_MS, what: "the stream's end" });
});
