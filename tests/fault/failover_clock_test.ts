/**
 * The first order that an API sends to a new master: its deadline counts on the clock of that server, not of the former.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { type Link, TcpProxy } from "../../tools/tcp_proxy.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import type { Heard } from "../system/load_clients.ts";
import { Service } from "../system/stack.ts";
import { follow, startAhead } from "./faked_clock.ts";
import { armings, saying } from "./fault_probe.ts";
import { post } from "./fault_scenario.ts";
import { startForwarder } from "./forwarder.ts";

const DEADLINE_MS = 60_000;
const SKU = "sku";
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000", REPLICA_TIMEOUT_MS: "3000" };

interface HoldState {
  /** It holds from the next new epoch on. */
  isArmed: boolean;
  gate: PromiseWithResolvers<void> | undefined;
}

/** Holds back what a client sends once it has heard of a new epoch, until it is released. */
class Holder extends TcpProxy {
  readonly #state: HoldState;

  constructor(targetPort: () => number) {
    const state: HoldState = { isArmed: false, gate: undefined };
    super(targetPort, (link: Link) => ({
      async toServer(bytes) {
        const held = bytes.slice();
        await Promise.race([state.gate?.promise, link.ended]);
        await link.sendToServer(held);
      },
      toClient(bytes) {
        if (state.isArmed && new TextDecoder().decode(bytes).includes("stale_epoch")) {
          state.isArmed = false;
          state.gate = Promise.withResolvers();
        }
        return link.sendToClient(bytes);
      },
    }));
    this.#state = state;
  }

  /** Whether it holds something back. */
  get isHolding(): boolean {
    return this.#state.gate !== undefined;
  }

  /** Waits for the next new epoch. */
  arm(): void {
    this.#state.isArmed = true;
  }

  release(): void {
    this.#state.gate?.resolve();
    this.#state.gate = undefined;
  }
}

/** Of two APIs the first order of one is held back on its way to the new master, and that of the other is not. */
async function failOverTo(seconds: number): Promise<void> {
  await using right = await startRedis({ flavour: "valkey" });
  await using wrong = await startAhead(seconds, right);
  let port = right.port;
  await using forwarder = startForwarder(right.port);
  await using holder = new Holder(() => port);
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  await using worker = await Service.start("worker", {
    REDIS_URL: forwarder.url,
    DATABASE_URL: databaseUrl,
    ...ENV,
  });
  const start = () =>
    Service.start("api", { REDIS_URL: `redis://127.0.0.1:${holder.port}`, ...ENV }, { databaseUrl });
  await using held = await start();
  await using other = await start();
  await held.ready(DEADLINE_MS);
  await other.ready(DEADLINE_MS);
  const initial = new Map([[SKU, 100]]);
  const history = await stockUp(held, initial);
  const orders = ["before", "other", "held", "free", "after"].map((orderId) => ({
    ...{ orderId, userId: orderId, sku: SKU, amount: 1 },
  }));
  const heard: Heard[] = [];
  const buy = async (api: Service, orderId: string) => {
    const index = orders.findIndex((order) => order.orderId === orderId);
    const order = orders[index];
    assert.ok(order);
    const { status, replayed, body } = await post(api, order);
    const { new_stock: newStock, seq, code } = body as { new_stock: number; seq: number; code: string };
    heard[index] = status === 200 ? { kind: "accepted", newStock, seq, replayed } : { kind: "unknown", code };
    return status === 200 ? status : code;
  };
  /** The first answer that the store had a part in: an API that has not connected again yet sends nothing. */
  const buyOnceConnected = async (api: Service, orderId: string) => {
    let answer: unknown;
    const isDecided = async () => (answer = await buy(api, orderId)) !== "store_unavailable";
    await waitFor(isDecided, { deadlineMs: DEADLINE_MS, what: `a connected API, for order ${orderId}` });
    return answer;
  };
  assert.equal(await buy(held, "before"), 200);
  assert.equal(await buy(other, "other"), 200);

  await follow(wrong, right);
  const before = armings(worker);
  await right.kill();
  await wrong.cli("REPLICAOF", "NO", "ONE");
  port = wrong.port;
  holder.cutAll();
  forwarder.redirect(wrong.port);
  await saying(worker, "an arming of the new master", () => armings(worker) > before);
  await waitFor(async () => await wrong.cli("HGET", "{inventory:0}:meta", "replicas") === "0", {
    deadlineMs: DEADLINE_MS,
    what: "responses that wait for no replica",
  });

  holder.arm();
  assert.equal(await buyOnceConnected(held, "held"), "outcome_unknown");
  assert.ok(holder.isHolding, "the order was not held back");
  holder.release();
  // On the same connection, so behind the order.
  const left = unitsOf(await stockOf(held, [SKU])).get(SKU);
  assert.equal(left, 98, "an order took effect past its deadline");
  assert.equal(await buyOnceConnected(other, "free"), 200, "the first order of an API at the new master");
  assert.equal(await buy(held, "held"), 200, "sent again");
  assert.equal(await buy(held, "after"), 200);
  const stock = await stockOf(held, [SKU]);
  const tables = await readLedger({ databaseUrl }, stock, DEADLINE_MS);
  assertLedger({ orders, heard, initial, left: unitsOf(stock), history }, tables);
}

Deno.test("failover: on a new master whose clock is 10 minutes ahead or behind no order takes effect past its deadline, and the next is accepted at once", async () => {
  const failovers = [600, -600].map(failOverTo);
  await Promise.allSettled(failovers);
  await Promise.all(failovers);
});
