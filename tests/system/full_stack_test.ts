/**
 * A sale on the full stack, nginx to PostgreSQL through Kafka, in which each part of it is killed with -9 and comes
 * back: what buyers heard, the store and the ledger agree to the unit.
 */
import assert from "node:assert/strict";
import { allShardSlots } from "../../src/redis/keys.ts";
import type { RedisServer } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "./ledger_audit.ts";
import { LoadClients } from "./load_clients.ts";
import { type FullStack, startFullStack } from "./full_stack.ts";
import { oneSkuAShard, planOrders, runSeed, wanted } from "./plan.ts";

/** Undisturbed, and then with faults: of one plan. */
const CALM_ORDERS = 10_000;
const ORDERS = 50_000;
const SHARDS = 12;
const CONNECTIONS = 64;
/** The faults take 20 s, on a fast machine too. */
const ORDERS_PER_SECOND_MAX = 1_600;
const REQUEST_TIMEOUT_MS = 1_000;
const STEP_DEADLINE_MS = 60_000;
/** Orders that are answered while a part is away: it was missed, or was not needed. */
const ANSWERED_MEANWHILE = 300;
const WATCH_EVERY_MS = 50;

/** One part that is killed. */
interface Fault {
  readonly what: string;
  readonly kill: () => Promise<unknown>;
  readonly restart: () => Promise<unknown>;
}

Deno.test("the full stack: 50,000 orders while broker, master, worker, API and PostgreSQL are killed in turn", async () => {
  const seed = runSeed();
  await using fullStack = await startFullStack({
    env: { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) },
  });
  const { stack, nginx, databaseUrl } = fullStack;
  const skus = oneSkuAShard(SHARDS);
  const orders = planOrders({ seed, orders: CALM_ORDERS + ORDERS, skus, users: CALM_ORDERS + ORDERS });
  // Every other SKU is sold out on the way; the rest lasts.
  const initial = new Map(skus.map((sku, i) => [sku, Math.floor(wanted(orders, sku) * (i % 2 ? 0.5 : 1.1))]));
  const history = await stockUp(stack.api, initial);
  const clientsOf = (some: typeof orders, options: { lasts?: true }) =>
    new LoadClients({
      ...options,
      orders: some,
      urls: [nginx.url],
      connections: CONNECTIONS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      ordersPerSecondMax: ORDERS_PER_SECOND_MAX,
      declaresFirst: true,
      history,
    });

  await using calm = clientsOf(orders.slice(0, CALM_ORDERS), {});
  await calm.rush();
  await using clients = clientsOf(orders.slice(CALM_ORDERS), { lasts: true });
  const rush = clients.rush();
  const table: Record<string, unknown>[] = [];
  for (const fault of faultsOf(fullStack)) table.push(await strike(fault, clients));
  clients.finish();
  await rush;
  const acceptedAtOnce = clients.count("accepted");
  const settled = [await calm.settle(STEP_DEADLINE_MS), await clients.settle(STEP_DEADLINE_MS)];

  const stock = await stockOf(stack.api, skus);
  const tables = await readLedger({ databaseUrl }, stock, STEP_DEADLINE_MS);
  report(seed, table, calm, clients, acceptedAtOnce, settled);
  const heard = [...calm.heard, ...clients.heard];
  assertLedger({ orders, heard, initial, left: unitsOf(stock), history }, tables);
  assert.equal(heard.length, CALM_ORDERS + ORDERS);
  assert.deepEqual(tables.jumps, [], "no number was lost");
  assert.equal(new Set(tables.movements.map(({ shard }) => shard)).size, SHARDS, "every shard has sold");
  assert.ok(clients.count("insufficient_stock") > ORDERS / 10, "the stock was too little");
});

function faultsOf({ cluster, kafka, postgres, stack }: FullStack): Fault[] {
  const { apis: [, api], workers: [worker] } = stack;
  assert.ok(api && worker);
  let master: RedisServer | undefined;
  const [slot = 0] = allShardSlots({ namespace: "inventory", shards: SHARDS });
  return [
    { what: "Kafka's broker", kill: () => kafka.kill(), restart: () => kafka.start() },
    { what: "a worker", kill: () => worker.kill(), restart: () => worker.restart() },
    { what: "an API", kill: () => api.kill(), restart: () => api.restart() },
    { what: "PostgreSQL", kill: () => postgres.kill(), restart: () => postgres.start() },
    {
      what: "a Redis master",
      async kill() {
        const killed = master = await cluster.ownerOf(slot);
        const witness = cluster.nodes.find((node) => node !== killed) ?? killed;
        await killed.kill();
        await waitFor(async () => await cluster.ownerOf(slot, witness) !== killed, {
          deadlineMs: STEP_DEADLINE_MS,
          what: "a successor",
        });
      },
      async restart() {
        await master?.start();
        await cluster.whole();
      },
    },
  ];
}

/** Kills a part in the middle of the rush and brings it back. Returns a row of the report. */
async function strike(
  { what, kill, restart }: Fault,
  clients: LoadClients,
): Promise<Record<string, unknown>> {
  await waitFor(() => clients.inFlight > 0, { deadlineMs: STEP_DEADLINE_MS, what: "an order on its way" });
  const { inFlight } = clients;
  const before = {
    answered: clients.answered,
    accepted: clients.count("accepted"),
    unknown: clients.count("unknown"),
  };
  const startMs = performance.now();
  const gap = watchGap(clients);
  await kill();
  await waitFor(() => clients.answered >= before.answered + ANSWERED_MEANWHILE, {
    deadlineMs: STEP_DEADLINE_MS,
    what: `answers without ${what}`,
  });
  const meanwhile = clients.count("accepted") - before.accepted;
  await restart();
  await waitFor(() => clients.count("accepted") >= before.accepted + meanwhile + ANSWERED_MEANWHILE, {
    deadlineMs: STEP_DEADLINE_MS,
    what: `sales after ${what} was back`,
  });
  return {
    "killed -9": what,
    "in flight": inFlight,
    "sold meanwhile": meanwhile,
    "lost answers": clients.count("unknown") - before.unknown,
    "longest without a sale, s": gap() / 1000,
    "back after, s": Math.round((performance.now() - startMs) / 100) / 10,
  };
}

/** Watches how long no order is accepted. The function that it returns ends that, and says the longest time, ms. */
function watchGap(clients: LoadClients): () => number {
  let accepted = clients.count("accepted");
  let sinceMs = performance.now();
  let longestMs = 0;
  const look = () => {
    const now = clients.count("accepted");
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - sinceMs);
    if (now > accepted) [accepted, sinceMs] = [now, nowMs];
  };
  const timer = setInterval(look, WATCH_EVERY_MS);
  return () => {
    clearInterval(timer);
    look();
    return Math.round(longestMs / 100) * 100;
  };
}

function report(
  seed: number,
  table: readonly Record<string, unknown>[],
  calm: LoadClients,
  clients: LoadClients,
  acceptedAtOnce: number,
  settled: readonly unknown[],
): void {
  const rate = (clients: LoadClients, accepted: number) => Math.round(accepted * 1000 / clients.elapsedMs);
  // deno-lint-ignore no-console -- the seed repeats the run, the values are what people ask for
  const print = (...words: unknown[]) => console.log(...words);
  // deno-lint-ignore no-console -- see above
  console.table(table);
  print(
    `seed ${seed}: ${rate(clients, acceptedAtOnce)} accepted a second with faults, ` +
      `${rate(calm, calm.count("accepted"))} before them; ${clients.count("accepted")} accepted in all, ` +
      `${clients.count("insufficient_stock")} sold out`,
    settled,
  );
}
