/**
 * The product's processes in a simulation: APIs and workers, with their ports over the simulated network.
 *
 * @module
 */
import type { Command } from "../../src/domain/command.ts";
import { type Inventory, InventoryService } from "../../src/decide/service.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import { startWorker } from "../../src/worker/balancer.ts";
import type { SimulatedLedger } from "./ledger.ts";
import { controlOf, logOf, storeOf, type StoreSite, workerStoreOf } from "./ports.ts";
import type { Process } from "./scheduler.ts";

/** The servers and what leads to them. */
export interface Site extends StoreSite {
  readonly ledger: SimulatedLedger;
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
    log: logOf(process, site),
    ledger: ledger.openFor(process),
    store: workerStoreOf(process, site),
    durability: "report",
    retentionMs: 86_400_000,
    gatherMs: settings.gatherMs,
  });
}
