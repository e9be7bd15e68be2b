/**
 * The product's processes in a simulation: APIs and workers, with their ports over the simulated network.
 *
 * @module
 */
import type { Command } from "../../src/domain/command.ts";
import { type Inventory, InventoryService } from "../../src/decide/service.ts";
import { comparePositions, type Position } from "../../src/domain/event.ts";
import type { BasketDecisions } from "../../src/decide/basket_decisions.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import { RelayedLog, type RelayEvent } from "../../src/log/relayed_log.ts";
import { logWayOf } from "../../src/log/topic.ts";
import { startWorker, type WorkerParts } from "../../src/worker/balancer.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { SimulatedTopic } from "./topic.ts";
import { vouchingForStore } from "./plants.ts";
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
  const ledger = site.ledger.openFor(process);
  const service = new InventoryService(storeOf(process, site), process.world, {
    ...{ shards, queueMax: 100, batchMax, requestTimeoutMs: 300, callsMax: 2 },
    guaranteesOff: () => [],
    archive: ledger,
    decisions: decisionsOf(ledger.baskets, site),
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
    async submit(command, timings, isFirstAttempt) {
      const outcome = await service.submit(command, timings, isFirstAttempt);
      if (outcome.kind === "outcome_unknown") give(command);
      return outcome;
    },
    findOrder: (orderId) => service.findOrder(orderId),
  };
}

/** The plant `commit-unrecorded`: the API sells a basket without the decision in the ledger. */
function decisionsOf(baskets: BasketDecisions, { plant }: Site): BasketDecisions {
  if (plant !== "commit-unrecorded") return baskets;
  return {
    begin: (...args) => baskets.begin(...args),
    commit: () => Promise.resolve("committed"),
    abort: (...args) => baskets.abort(...args),
    find: (...args) => baskets.find(...args),
  };
}

/** Starts a worker, which runs for as long as its process lives. */
export function runWorker(process: Process, site: Site): void {
  const { ledger, logger, settings } = site;
  const [control, way] = [controlOf(process, site), logAndWay(process, site)];
  startWorker({
    ...{ logger, world: process.world, deployment: ledger.deployment },
    reader: readerOf(process, site),
    ...way,
    ...site.plant === "topic-vouches-for-store" ? vouchingForStore(control, way.log) : { control },
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
  const log = new RelayedLog(parts);
  return {
    log: site.plant === "stale-end-of-log" ? withStaleEnd(log) : log,
    logWay: () => topic.prepare().then(logWayOf, () => undefined),
  };
}

/** The plant `stale-end-of-log`: a read that does not wait hears once what the last waiting read was about to find. */
function withStaleEnd(log: EventLog): EventLog {
  const ends = new Map<number, Position>();
  return {
    async read(shard, after, options) {
      const end = ends.get(shard);
      ends.delete(shard);
      const isSame = end !== undefined && comparePositions(end, after) === 0;
      if (options.waitMs === 0 && isSame) return [];
      const entries = await log.read(shard, after, options);
      if (options.waitMs > 0 && entries.length === 0) ends.set(shard, after);
      return entries;
    },
    tail: (shard) => log.tail(shard),
    close: () => log.close(),
  };
}
