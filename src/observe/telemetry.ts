/**
 * What a process tells about itself. Without a receiver there is nothing of all this: no SDK is loaded, nobody watches.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { RequestObserver, RequestRecord } from "../http/ports/observer.ts";
import type { StoreCall } from "../decide/command_timings.ts";
import type { WorkerObserver } from "../worker/observer.ts";
import type { World } from "../runtime/world.ts";
import type { Backend } from "./backend.ts";
import { instruments } from "./instruments.ts";
import type { LogLine, LogSink } from "../runtime/logger.ts";
import { figure } from "./meter.ts";
import { watchProcess } from "./process_metrics.ts";
import type { StoreSystem } from "./request_spans.ts";
import { Requests } from "./requests.ts";
import { Shards } from "./shards.ts";
import { StoreCalls } from "./store_calls.ts";
import { Tracing } from "./trace_context.ts";

/** The line about what could not be sent. It is written, and not sent. */
export const notSent = "telemetry not sent";

/** Which process this is. */
export interface ProcessIdentity {
  /** The deployment's: begins the service's name. */
  readonly namespace: string;
  /** Ends it. */
  readonly program: "api" | "worker";
}

/** What is told of the inventory beside its requests. */
export interface InventoryFigures {
  /** Commands that wait for a call. */
  readonly waiting: number;
  /** Shards that refused to sell when they were last asked. */
  readonly unarmedShards: number;
  /** What this process has heard to be sold out. */
  readonly soldOut: { readonly hits: number; readonly misses: number };
}

/** What a process tells about itself. */
export interface Telemetry {
  /** Watches requests to a store of this kind; `onFailed` is told of each that got 5xx, or an item of which did. */
  requests(system: StoreSystem, onFailed: (requestRecord: RequestRecord) => void): RequestObserver;
  /** Told of every call of a batcher. */
  readonly onStoreCall: (call: StoreCall) => void;
  /** Told of every operation of a client of Redis or PostgreSQL. */
  readonly onClientCall: (system: string, operation: string, ms: number, error: string) => void;
  /** Watches a worker's shards. */
  readonly worker: WorkerObserver;
  /** Takes lines of the log. */
  readonly log: LogSink;
  /** Reports on the inventory from now on. */
  observeInventory(figures: InventoryFigures): void;
  /** Sends what waits, within 2 s. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Starts it.
 *
 * @param config null = nothing is told, and this returns null
 * @param onFailure called with the reason when telemetry cannot be sent
 */
export async function startTelemetry(
  config: TelemetryConfig | null,
  identity: ProcessIdentity,
  world: World,
  onFailure: (signal: string, why: string) => void,
): Promise<Telemetry | null> {
  if (config === null) return null;
  const backend = await openBackend(config, identity, world, onFailure);
  const { meter, spans, places } = backend;
  const calls = new StoreCalls(meter);
  const stopProcess = watchProcess(world, meter);
  let shards: Shards | undefined;
  let inventory: InventoryFigures | undefined;
  // In the embedded default both are in one process, and both know.
  meter.observe(
    instruments.unarmed,
    () => figure(Math.max(shards?.unarmed ?? 0, inventory?.unarmedShards ?? 0)),
  );
  return {
    requests: (system, onFailed) => new Requests({ world, config, places, spans, meter, system, onFailed }),
    log: (line) => {
      if (!isAboutSending(line)) backend.log(line);
    },
    onStoreCall: (call) => calls.batcher(call),
    onClientCall: (system, operation, ms, error) => calls.client(system, operation, ms, error),
    get worker() {
      return shards ??= new Shards({ world, config, places, spans, meter });
    },
    observeInventory(figures) {
      inventory = figures;
      meter.observe(instruments.queueDepth, () => figure(figures.waiting));
      meter.observe(instruments.cacheHits, () => figure(figures.soldOut.hits));
      meter.observe(instruments.cacheMisses, () => figure(figures.soldOut.misses));
    },
    async stop() {
      await backend.stop();
      stopProcess();
    },
  };
}

/** That logs cannot be sent must not become a log that cannot be sent. */
function isAboutSending({ message }: LogLine): boolean {
  return message === notSent;
}

async function openBackend(
  config: TelemetryConfig,
  { namespace, program }: ProcessIdentity,
  world: World,
  onFailure: (signal: string, why: string) => void,
): Promise<Backend> {
  const resource = {
    ...config.resource,
    "service.name": config.serviceName ?? config.resource["service.name"] ?? `${namespace}-${program}`,
    "service.namespace": namespace,
    // Two processes that are one to a receiver would overwrite each other's figures.
    "service.instance.id": world.uuid(),
  };
  const { endpoint, headers } = config;
  const places = new Tracing(world, config);
  // Each is loaded only where it is wanted: the SDK takes 100 ms.
  if (endpoint === null) return (await import("./builtin.ts")).startBuiltin(world, places);
  return (await import("./sdk.ts")).startSdk({ endpoint, headers, resource, world, places, onFailure });
}
