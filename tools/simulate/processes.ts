/**
 * The product's processes in a simulation: APIs and workers, with their ports over the simulated network.
 *
 * @module
 */
import type { Command } from "../../src/domain/command.ts";
import { type Inventory, InventoryService } from "../../src/decide/service.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import { RelayedLog, type RelayEvent } from "../../src/log/relayed_log.ts";
import { logWayOf } from "../../src/log/topic.ts";
import { startWorker, type WorkerParts } from "../../src/worker/balancer.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { SimulatedTopic } from "./topic.ts";
import { controlOf, logOf, readerOf, storeOf, type StoreSite, workerStoreOf } from "./ports.ts";
import type { Process } from "./scheduler.ts";

/** The servers and what leads to them. */
export interface Site extends StoreSite {
  readonly ledger: SimulatedLedger;
  /** Undefined without one: the worker reads the store's log. */
  readonly topic: SimulatedTopic | undefined;
  /** Hears of relays. */
  readonly onRelay: (event: RelayEvent) => void;
  /** Hears the log lines of workers. */
  readonly logger: Logger;
}

/** What clients ask of an API. */
export type Api = Pick<Inventory, "submit" | "findOrder">;

const nothing = () => {};

/** An API's inventory. */
export function startApi(process: Process, site: Site): Api {
  const { shards, batchMax } = site.settings;
  const service = new InventoryService(storeOf(process, site), process.world, {
    ...{ shards, queueMax: 100, batchMax, requestTimeoutMs: 300, callsMax: 2 },
    guaranteesOff: () => [],
    archive: site.ledger.openFor(process),
    onBroken: nothing,
  });
  if (site.plant !== "credit-on-timeout") return service;
  const give = (command: Command) => {
    for (const { sku, amount } of command.kind === "deduct" ? command.lines : []) {
      const adjustmentId = process.world.uuid();
      const note = { reason: "", reference: "", actor: "", traceparent: "" };
      void service.submit({ kind: "adjust", adjustmentId, sku, delta: amount, ...note });
    }
  };
  return {
    async submit(command) {
      const outcome = await service.submit(command);
      if (outcome.kind === "outcome_unknown") give(command);
      return outcome;
    },
    findOrder: (orderId) => service.findOrder(orderId),
  };
}

/** Starts a worker, which runs for as long as its process lives. */
export function runWorker(process: Process, site: Site): void {
  const { ledger, logger, settings } = site;
  startWorker({
    ...{ logger, world: process.world, deployment: ledger.deployment },
    control: controlOf(process, site),
    reader: readerOf(process, site),
    ...logAndWay(process, site),
    ledger: ledger.openFor(process),
    store: workerStoreOf(process, site),
    durability: "report",
    retentionMs: 86_400_000,
    gatherMs: settings.gatherMs,
  });
}

function logAndWay(process: Process, site: Site): Pick<WorkerParts, "log" | "logWay"> {
  const stream = logOf(process, site);
  if (!site.topic) return { log: stream, logWay: () => Promise.resolve("stream") };
  const topic = site.topic.openFor(process, site.network);
  const { deployment } = site.ledger;
  const parts = { stream, topic, deployment: deployment.id, world: process.world, onEvent: site.onRelay };
  return {
    log: new RelayedLog(parts),
    logWay: () => topic.prepare().then(logWayOf, () => undefined),
  };
}
