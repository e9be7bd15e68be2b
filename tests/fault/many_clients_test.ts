/**
 * Many clients at once: all of them retry in the same second, or keep connections open that ask for nothing.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, openNetwork } from "../../tools/servers/network.ts";
import { type RunningProcess, startProcess } from "../../tools/servers/process.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import { HttpConnection } from "../system/http_connection.ts";
import type { Heard } from "../system/load_clients.ts";
import { type Env, Service } from "../system/stack.ts";
import { note } from "./fault_scenario.ts";
import { watchMemory } from "./process_memory.ts";
import { Sale } from "./sale.ts";
import { isLong, trial } from "./trial.ts";

const STEP_DEADLINE_MS = 60_000;
const ANSWER_DEADLINE_MS = 20_000;
const REQUEST_TIMEOUT_MS = 1_000;
const ENV: Env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
const SKU = "sku";
const PATH = "/api/v1/inventory/deduct";

const CLIENTS = isLong ? 4_000 : 500;
const FROZEN_MS = 2_500;
/** A retry is refused while others are decided; all of them are through after some. */
const ROUNDS_MAX = 10;

/** Clients with an order each, who all ask in the same moment. */
class Herd implements Disposable {
  readonly orders = Array.from({ length: CLIENTS }, (_, i) => ({
    orderId: `herd-${i}`,
    userId: `user-${i}`,
    sku: SKU,
    amount: 1,
  }));
  readonly heard: Heard[] = [];
  readonly #connections: HttpConnection[];

  constructor(connections: HttpConnection[]) {
    this.#connections = connections;
  }

  /** Every client without a definite answer asks now. Returns how many that were. */
  async ask(): Promise<number> {
    const open = this.orders.keys().filter((i) => this.heard[i]?.kind !== "accepted").toArray();
    await Promise.all(open.map(async (i) => {
      const [order, connection] = [this.orders[i], this.#connections[i]];
      assert.ok(order && connection);
      const { orderId: order_id, userId: user_id, sku, amount } = order;
      const { status, replayed, body } = await connection.post(PATH, { order_id, user_id, sku, amount });
      this.heard[i] = status === 200
        ? { kind: "accepted", newStock: Number(body.new_stock), seq: Number(body.seq), replayed }
        : { kind: "unknown", code: String(body.code) };
    }));
    return open.length;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection.close();
  }
}

Deno.test("many clients: all that retry in the same second after Redis was frozen are served, each once", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using _worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    ...ENV,
  });
  await using api = await Service.start("api", { REDIS_URL: redis.url, ...ENV });
  await api.ready(STEP_DEADLINE_MS);
  const initial = new Map([[SKU, 2 * CLIENTS]]);
  const history = await stockUp(api, initial);
  const connections = [];
  for (let i = 0; i < CLIENTS; i++) connections.push(await HttpConnection.open(api.url, ANSWER_DEADLINE_MS));
  using herd = new Herd(connections);
  redis.freeze();
  const first = herd.ask();
  await sleep(FROZEN_MS);
  redis.thaw();
  assert.equal(await first, CLIENTS);
  const rounds: number[] = [];
  const startMs = performance.now();
  while (herd.heard.some(({ kind }) => kind !== "accepted")) {
    assert.ok(rounds.length < ROUNDS_MAX, `still not served in ${rounds.length} rounds: ${rounds}`);
    await sleep(REQUEST_TIMEOUT_MS - (Date.now() % REQUEST_TIMEOUT_MS)); // the next full second, for all of them
    rounds.push(await herd.ask());
  }
  note(
    `${rounds} clients asked in successive rounds, all served ${
      Math.round(performance.now() - startMs)
    } ms after`,
  );
  const stock = await stockOf(api, [SKU]);
  const tables = await readLedger({ databaseUrl }, stock, STEP_DEADLINE_MS);
  assert.equal(tables.lines.length, CLIENTS);
  const { orders, heard } = herd;
  assertLedger({ orders, heard, initial, left: unitsOf(stock), history }, tables);
});

const IDLE = isLong ? 10_000 : 2_000;
/** Of the test itself, in addition to its connections. */
const SPARE_DESCRIPTORS = 500;
const SLOW = 200;
const HUGE = 100;
/** Of a connection that asks for nothing, KiB: Deno 2.9 takes some 12. */
const IDLE_KIB_MAX = 40;

/** Orders of others than this machine need a token. */
const TOKEN = "a-token-of-the-tests-of-connections";
const API_TOKENS = JSON.stringify({
  [TOKEN]: { name: "many", scopes: ["deduct", "return", "read", "admin"] },
});

/** Opens connections from a host of its own, sends a text on each, and waits for its end. */
async function connectFrom(host: Host, url: string, texts: readonly string[]): Promise<RunningProcess> {
  const { hostname, port } = new URL(url);
  const script = `
    const open = [];
    for (const text of ${JSON.stringify(texts)}) {
      const connection = await Deno.connect({ hostname: "${hostname}", port: ${port} });
      await connection.write(new TextEncoder().encode(text));
      open.push(connection);
    }
    console.log("connected", open.length);
    await new Promise((resolve) => setTimeout(resolve, 600_000));`;
  const folder = await dataDir("clients");
  await Deno.writeTextFile(`${folder}/clients.ts`, script);
  return await startProcess({
    ...host.command(Deno.execPath(), ["run", "--no-config", "--allow-net", `${folder}/clients.ts`]),
    readyLine: /connected/,
    readyDeadlineMs: STEP_DEADLINE_MS,
  });
}

/** How many files and sockets a process may open: Deno raises its limit to the hard one. */
async function descriptorsMax(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}

Deno.test("many clients: idle connections, clients that send slowly or never or are gone, and huge headers do not stop a sale", async () => {
  assert.ok(
    await descriptorsMax() > IDLE + SPARE_DESCRIPTORS,
    `Cannot open ${IDLE} connections with ${await descriptorsMax()} descriptors: run it after ulimit -n ${
      2 * IDLE
    }`,
  );
  await using network = await openNetwork();
  const elsewhere = await network.host();
  const here: Host = { ...network.here, command: (command, args) => ({ command, args }) };
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using _worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    ...ENV,
  });
  const more = { CONNECTIONS_MAX: String(IDLE + 2_000), QUEUE_MAX: "2000" };
  await using api = await Service.start(
    "api",
    { REDIS_URL: redis.url, API_TOKENS, ...ENV, ...more },
    { host: here },
  );
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: [SKU] });
  const { hostname, port } = new URL(api.url);
  const open = new Set<Deno.TcpConn>();
  const connect = async (text: string) => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    open.add(connection);
    if (text !== "") await connection.write(new TextEncoder().encode(text));
    return connection;
  };
  const closeAll = () => {
    for (const connection of open) connection.close();
    open.clear();
    return Promise.resolve();
  };
  const start = [
    `POST ${PATH} HTTP/1.1`,
    `host: ${hostname}:${port}`,
    "content-type: application/json",
    `authorization: Bearer ${TOKEN}`,
    "",
  ].join("\r\n");
  using memory = watchMemory({ api: api.pid });
  await sleep(500);
  const before = memory.highest.api;
  const bounds = { forMs: 2_000, heal: closeAll, acceptedMin: 0.1, pauseMaxMs: 8_000 };
  try {
    await trial(sale, "Connections", {
      what: `${IDLE} idle connections`,
      async strike() {
        for (let i = 0; i < IDLE; i++) await connect("");
      },
      ...bounds,
    });
    const idleMb = memory.highest.api - before;
    note(`the API grew by ${idleMb} MB for ${IDLE} connections`);
    assert.ok(idleMb * 1024 / IDLE < IDLE_KIB_MAX + 64 * 1024 / IDLE, `${idleMb} MB for ${IDLE} connections`);
    await trial(sale, "Connections", {
      what: `${SLOW} clients that send half a header, ${SLOW} that send half a body`,
      async strike() {
        for (let i = 0; i < SLOW; i++) {
          await connect(start);
          await connect(`${start}content-length: 100\r\n\r\n{"sku":`);
        }
      },
      ...bounds,
    });
    const live = `GET /livez HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`;
    await trial(sale, "Connections", {
      what:
        `${SLOW} clients that are gone, packets dropped, after an answer, and ${SLOW} with half a body sent`,
      async strike() {
        const halves = Array<string>(SLOW).fill(`${start}content-length: 100\r\n\r\n{"sku":`);
        const texts = [...Array<string>(SLOW).fill(live), ...halves];
        await using _clients = await connectFrom(elsewhere, api.url, texts);
        await network.cut(network.here, elsewhere); // before they end: their last packets are dropped, too
      },
      ...bounds,
      heal: () => network.heal(),
    });
    await trial(sale, "Connections", {
      what: `${HUGE} requests with a header of 1 MB`,
      async strike() {
        const huge = `${start}x-huge: ${"x".repeat(1024 * 1024)}\r\n\r\n`;
        for (let i = 0; i < HUGE; i++) await connect(huge).catch(() => {}); // closed while it is sent
      },
      ...bounds,
    });
  } finally {
    await closeAll();
  }
});
