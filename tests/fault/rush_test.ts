/**
 * The main promise while everything dies: a rush on too little stock, and every process of the system killed
 * with -9 and frozen in turn in the middle of it.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import { LoadClients } from "../system/load_clients.ts";
import { type Order, planOrders, runSeed, wanted } from "../system/plan.ts";
import { startStack } from "../system/stack.ts";
import { note } from "./fault_scenario.ts";
import { endOfLog, killUnanswered } from "./unanswered.ts";

const ORDERS = 90_000;
const CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 1_000;
/** Longer than a request may wait, shorter than a lease may be silent (3 s). */
const FREEZE_MS = 1_200;
const STEP_DEADLINE_MS = 60_000;
const SETTLE_DEADLINE_MS = 60_000;
/** Sold between two faults, so that each strikes a system that sells. */
const SOLD_BETWEEN = 500;
const SKUS = ["hot", "warm-1", "warm-2", "warm-3"];
/** What is sold out while the faults strike; the rest lasts until after the last of them, in the last fifth of the rush. */
const STOCK_SHARES: readonly [string, number][] = [
  ["hot", 0.9],
  ["warm-1", 0.05],
  ["warm-2", 0.75],
  ["warm-3", 0.6],
];

/**
 * How buyers notice: their orders get no definite answer (`lost`), or none while it lasts (`late`), or they
 * notice nothing and selling goes on (`unnoticed`).
 */
type Effect = "lost" | "late" | "unnoticed";

/** A process or a server of several. */
interface Mortal {
  kill(): Promise<void>;
  freeze(): Promise<void> | void;
  thaw(): Promise<void> | void;
}

/** One thing that happens to one of them. */
interface Fault {
  readonly what: string;
  readonly effect: Effect;
  readonly strike: () => Promise<void> | void;
  /** How long it lasts; when left out, until it has had an effect. */
  readonly lastsMs?: number;
  readonly heal: () => Promise<void> | void;
}

function killed(what: string, effect: Effect, mortal: Mortal, revive: () => Promise<void>): Fault {
  return { what: `${what} killed`, effect, strike: () => mortal.kill(), heal: revive };
}

function frozen(what: string, effect: Effect, mortal: Mortal): Fault {
  const strike = () => mortal.freeze();
  return { what: `${what} frozen`, effect, strike, lastsMs: FREEZE_MS, heal: () => mortal.thaw() };
}

Deno.test("a rush of 90,000 orders while worker, API, Redis and PostgreSQL are killed and frozen in turn", async () => {
  const seed = runSeed();
  note(`seed ${seed}`);
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  const env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl, env });
  const { api, worker } = stack;

  const orders = mostlyHot(planOrders({ seed, orders: ORDERS, skus: SKUS, users: 8000 }));
  const initial = new Map(STOCK_SHARES.map(([sku, share]) => [sku, Math.floor(wanted(orders, sku) * share)]));
  const history = await stockUp(api, initial);
  await using clients = new LoadClients({
    orders,
    urls: [api.url],
    connections: CONNECTIONS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    lasts: true,
    history,
  });
  const rush = clients.rush();
  const struck: string[] = [];
  const faults: readonly Fault[] = [
    killed("worker", "unnoticed", worker, () => worker.restart()),
    frozen("worker", "unnoticed", worker),
    killed("redis", "lost", redis, () => redis.start()),
    frozen("redis", "lost", redis),
    {
      what: "api killed with accepted orders that it has not answered",
      effect: "lost",
      strike: async () => void await killUnanswered(api, clients, () => endOfLog(redis)),
      heal: () => api.restart(),
    },
    frozen("api", "late", api),
    killed("postgres", "unnoticed", postgres, () => postgres.start()),
    frozen("postgres", "unnoticed", postgres),
  ];
  for (const fault of faults) {
    await clients.sells(SOLD_BETWEEN, STEP_DEADLINE_MS);
    struck.push(`${fault.what}: ${await strike(fault, clients)}`);
  }
  await clients.sells(SOLD_BETWEEN, STEP_DEADLINE_MS);
  const answered = clients.answered;
  clients.finish();
  await rush;
  const settled = await clients.settle(SETTLE_DEADLINE_MS);

  const stock = await stockOf(api, SKUS);
  const tables = await readLedger({ databaseUrl }, stock, STEP_DEADLINE_MS).catch((error) => {
    throw new Error(`${error.message}; the worker says:\n${worker.output()}`, { cause: error });
  });
  note(
    `${clients.ordersPerSecond} orders/s, ${answered} until the last fault; orders struck or sold meanwhile:`,
    struck,
  );
  note(`${clients.count("accepted")} accepted, ${clients.count("insufficient_stock")} sold out`, settled);
  assertLedger({ orders, heard: clients.heard, initial, left: unitsOf(stock), history }, tables);
  assert.equal(clients.heard.length, ORDERS);
  assert.deepEqual([...new Set(unitsOf(stock).values())], [0], "the last units were sold too");
  assert.deepEqual(tables.jumps, [], "no number was lost");
  assert.ok(clients.count("insufficient_stock") > ORDERS / 10, "the stock was too little");
  assert.ok(settled.hadTakenEffect > 0, "an answer was lost whose order had been accepted");
});

/** Strikes once. Returns how many orders felt its effect. */
async function strike({ what, effect, strike, lastsMs, heal }: Fault, clients: LoadClients): Promise<number> {
  const felt = () => clients.count(effect === "unnoticed" ? "accepted" : "unknown");
  const [feltBefore, unknownBefore] = [felt(), clients.count("unknown")];
  await strike();
  const answered = clients.answered;
  if (lastsMs !== undefined) await elapsed(lastsMs);
  else {
    await waitFor(() => felt() > feltBefore, { deadlineMs: STEP_DEADLINE_MS, what: `a strike of '${what}'` });
  }
  // What was on the wire already may still arrive: an answer for each buyer.
  const isSilent = clients.answered - answered <= CONNECTIONS;
  const strikes = effect === "late" ? (isSilent ? clients.inFlight : 0) : felt() - feltBefore;
  assert.ok(strikes > 0, `'${what}' has struck nothing`);
  if (effect === "unnoticed") assert.equal(clients.count("unknown"), unknownBefore, `buyers felt '${what}'`);
  await heal();
  return strikes;
}

/** How long a fault lasts is the fault: this waits for nothing else. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Four of five orders want the same. */
function mostlyHot(orders: readonly Order[]): Order[] {
  return orders.map((order, index) => index % 5 === 0 ? order : { ...order, sku: "hot" });
}
