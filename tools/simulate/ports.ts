/**
 * The ports of the product to a store, over the simulated network.
 *
 * @module
 */
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { Facet, FacetValue, ShardReader } from "../../src/decide/shard_reader.ts";
import type { BatchResult, StockStore, Timed } from "../../src/decide/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { sleep } from "../../src/runtime/world.ts";
import type { Network } from "./network.ts";
import type { Plant } from "./plants.ts";
import type { Process } from "./scheduler.ts";
import type { Settings } from "./settings.ts";
import type { SimulatedStore } from "./store.ts";

/** What leads to the stores. */
export interface StoreSite {
  readonly network: Network;
  readonly settings: Settings;
  /** By shard. */
  readonly stores: readonly SimulatedStore[];
  readonly plant: Plant | undefined;
}

/** An idle connection that must answer is given up after this: `src/redis/connection.ts`. */
const silentMs = 2000;
const lost = () => new StoreError("connection_lost", "unknown", "the connection is lost");

function caller(process: Process, { network, stores }: StoreSite, link: string) {
  return <T>(shard: number, name: string, serve: (store: SimulatedStore) => T | Promise<T>): Promise<T> => {
    const store = stores[shard];
    if (!store) throw new RangeError(`Cannot use shard ${shard} as there are ${stores.length}`);
    const to = `store-${shard}${link}`;
    return network.call<T>(process, { to, name, serve: () => serve(store), lost, silentMs });
  };
}

/** The port of decisions. */
export function storeOf(process: Process, site: StoreSite): StockStore {
  const call = caller(process, site, "");
  const epochs = site.stores.map(() => ({ seen: 0 }));
  const decide = (shard: number, batch: readonly Timed[]): Promise<BatchResult> =>
    call(
      shard,
      "decide",
      (store) => store.decide(batch, epochs[shard] ?? { seen: 0 }, "deployment"),
    );
  return { decide, guaranteesOff: () => Promise.resolve([]), close: () => Promise.resolve() };
}

/** The port of a worker's own decisions. */
export function workerStoreOf(process: Process, site: StoreSite): StockStore {
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

/** The port by which a worker verifies, rebuilds and arms. */
export function controlOf(process: Process, site: StoreSite): ShardControl {
  const call = caller(process, site, "");
  return {
    limits: site.settings.limits,
    checkResults: () => Promise.resolve([]),
    publish: (shard, deployment, status) =>
      call(shard, "publish", (store) => store.publish(deployment, status)),
    inspect: (shard) => call(shard, "inspect", (store) => store.inspect()),
    stock: (shard) => call(shard, "stock", (store) => store.stock()),
    entries: (shard, after, most) => call(shard, "entries", (store) => store.entries(after, most)),
    disarm: (shard, deployment, isSuspect = false) =>
      call(shard, "disarm", (store) => store.disarm(deployment, isSuspect)),
    markForRebuild: () => Promise.reject(new Error("Cannot be: no operator calls it")),
    disarmUnacknowledged: (shard, deployment, word) =>
      call(shard, "challenge", (store) => store.disarmUnacknowledged(deployment, word)),
    beginRestore: (shard, token, seen, start) =>
      call(shard, "begin", (store) => store.beginRestore(token, seen, start)),
    restoreStock: (shard, token, rows) =>
      call(shard, "restore", (store) => store.restore(token, rows, (slot, row) => slot.restoreStock(row))),
    restoreQuotas: (shard, token, rows) =>
      call(shard, "restore", (store) => store.restore(token, rows, (slot, row) => slot.restoreQuota(row))),
    restoreLines: (shard, token, rows) =>
      call(shard, "restore", (store) => store.restore(token, rows, (slot, row) => slot.restoreLine(row))),
    arm: (shard, arming) => call(shard, "arm", (store) => store.arm(arming)),
    acknowledge: (shard, applied, deployment, nonce) =>
      call(shard, "acknowledge", (store) => store.acknowledge(applied, deployment, nonce)),
    sweepQuotas: () => Promise.resolve("0"),
    close: () => Promise.resolve(),
  };
}

/** The port by which a worker recalls what a store remembers. It reads one page. */
export function readerOf(process: Process, site: StoreSite): ShardReader {
  const call = caller(process, site, "");
  return {
    names: (shard) =>
      call(shard, "names", (store) => ({ names: [...store.remembered().keys()], next: null })),
    read: <F extends Facet>(shard: number, _facet: F, names: readonly string[]) =>
      call(shard, "recall", (store) => {
        const lines = store.remembered();
        const values = names.map((name) => lines.get(name) ?? null) as FacetValue[F][];
        return { head: store.state.shard.seq, values };
      }),
  };
}

/** The log in the store, on a connection of its own. */
export function logOf(process: Process, site: StoreSite): EventLog {
  const call = caller(process, site, " log");
  return {
    async read(shard, after, { entriesMax, waitMs, signal }) {
      if (signal.aborted) return [];
      const entries = await call(shard, "read", (store) => store.entries(after, entriesMax));
      if (entries.length > 0 || waitMs === 0) return entries;
      await sleep(process.world, waitMs, signal);
      return [];
    },
    tail: (shard) => call(shard, "tail", (store) => store.tail()),
    close: () => Promise.resolve(),
  };
}
