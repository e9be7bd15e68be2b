/**
 * The product's processes in a simulation: APIs and workers, with their ports over the simulated network.
 *
 * @module
 */
import type { ShardControl } from "../../src/decide/shard_control.ts";
import { type Inventory, InventoryService } from "../../src/decide/service.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { Reminder } from "../../src/runtime/reminder.ts";
import { sleep } from "../../src/runtime/world.ts";
import { runShard } from "../../src/worker/shard_worker.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { Network } from "./network.ts";
import type { Plant } from "./plants.ts";
import type { Process } from "./scheduler.ts";
import { limits, type SimulatedStore } from "./store.ts";

/** The servers and what leads to them. */
export interface Site {
  readonly network: Network;
  readonly store: SimulatedStore;
  readonly ledger: SimulatedLedger;
  readonly plant: Plant | undefined;
}

const lost = () => new StoreError("connection_lost", "unknown", "the connection is lost");
const nothing = () => {};
const isOurs = false;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The port of decisions, over the network. */
function storeOf(process: Process, { network, store }: Site): StockStore {
  const epoch = { seen: 0 };
  return {
    decide: (_, batch) => network.call(process, "store", "decide", () => store.decide(batch, epoch), lost),
    guaranteesOff: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

/** An API's inventory. */
export function startApi(process: Process, site: Site): Inventory {
  const service = new InventoryService(storeOf(process, site), process.world, {
    ...{ shards: 1, queueMax: 100, batchMax: 20, requestTimeoutMs: 300, callsMax: 2 },
    guaranteesOff: () => [],
    archive: site.ledger.openFor(process),
    onBroken: nothing,
  });
  if (site.plant !== "credit-on-timeout") return service;
  const submit: Inventory["submit"] = async (command) => {
    const outcome = await service.submit(command);
    if (command.kind === "deduct" && outcome.kind === "outcome_unknown") {
      for (const { sku, amount } of command.lines) {
        const adjustmentId = process.world.uuid();
        const note = { reason: "", reference: "", actor: "", traceparent: "" };
        void service.submit({ kind: "adjust", adjustmentId, sku, delta: amount, ...note });
      }
    }
    return outcome;
  };
  return new Proxy(service, {
    get: (target, name) => name === "submit" ? submit : Reflect.get(target, name),
  });
}

function controlOf(process: Process, { network, store }: Site): ShardControl & EventLog {
  const call = <T>(name: string, serve: () => T) => network.call<T>(process, "store", name, serve, lost);
  return {
    limits,
    checkResults: () => Promise.resolve([]),
    publish: (_, _deployment, status) => call("publish", () => store.publish(status)),
    inspect: () => call("inspect", () => store.inspect()),
    stock: () => call("stock", () => ({ rows: store.state.shard.stock(), next: null })),
    entries: (_, after, most) => call("entries", () => store.entries(after, most)),
    disarm: (_, _deployment, suspect = false) => call("disarm", () => store.disarm(suspect)),
    markForRebuild: () => Promise.resolve(isOurs),
    disarmUnacknowledged: (_, _deployment, word) => call("disarm", () => store.disarmUnacknowledged(word)),
    beginRestore: (_, token, seen, start) => call("begin", () => store.beginRestore(token, seen, start)),
    restoreStock: (_, token, rows) =>
      call("restore", () => store.restore(token, (shard) => rows.forEach((row) => shard.restoreStock(row)))),
    restoreQuotas: (_, token, rows) =>
      call("restore", () => store.restore(token, (shard) => rows.forEach((row) => shard.restoreQuota(row)))),
    restoreLines: (_, token, rows) =>
      call("restore", () => store.restore(token, (shard) => rows.forEach((row) => shard.restoreLine(row)))),
    arm: (_, arming) => call("arm", () => store.arm(arming)),
    acknowledge: (_, applied, _deployment, nonce) => call("ack", () => store.acknowledge(applied, nonce)),
    sweepQuotas: () => Promise.resolve("0"),
    async read(_, after, { entriesMax, waitMs, signal }) {
      const entries = await call("read", () => store.entries(after, entriesMax));
      if (entries.length > 0 || waitMs === 0) return entries;
      await sleep(process.world, waitMs, signal);
      return [];
    },
    tail: () => call("tail", () => store.state.log.at(-1)?.position ?? { epoch: 0, seq: 0 }),
    close: () => Promise.resolve(),
  };
}

function workerStoreOf(process: Process, site: Site): StockStore {
  const store = storeOf(process, site);
  if (site.plant !== "compensation-twice") return store;
  return {
    ...store,
    async decide(shard, batch) {
      const result = await store.decide(shard, batch);
      for (const { command, deadlineMs } of batch) {
        if (command.kind !== "adjust" || !command.secondSale) continue;
        const { secondSale: _, ...plain } = command;
        const again = { ...plain, adjustmentId: `${command.adjustmentId}-again` };
        await store.decide(shard, [{ deadlineMs, command: again }]);
      }
      return result;
    },
  };
}

/** Runs a worker for as long as its process lives. */
export async function runWorker(process: Process, site: Site): Promise<void> {
  const { world } = process;
  const control = controlOf(process, site);
  const ledger = site.ledger.openFor(process);
  const parts = {
    ...{ control, log: control, ledger, store: workerStoreOf(process, site), world, logger: silent },
    deployment: site.ledger.deployment,
    signal: new AbortController().signal,
    durability: "report" as const,
    retentionMs: 86_400_000,
    interruption: new Reminder(world, nothing),
  };
  for (;;) {
    const leased = await ledger.lease(0).catch(nothing);
    if (leased) await runShard(leased, parts);
    await sleep(world, 250);
  }
}
