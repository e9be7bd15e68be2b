/**
 * Telemetry of a process. Without a receiver no SDK is loaded and no observer is attached.
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
import { single } from "./meter.ts";
import { watchProcess } from "./process_metrics.ts";
import type { StoreSystem } from "./request_spans.ts";
import { Requests } from "./requests.ts";
import { Shards } from "./shards.ts";
import { StoreCalls } from "./store_calls.ts";
import { Tracing } from "./trace_context.ts";

/** The line about lost telemetry. It is written, and not exported. */
export const notSent = "telemetry not sent";

export interface ProcessIdentity {
  /** First part of the service name. */
  readonly namespace: string;
  /** Last part of the service name. */
  readonly program: "api" | "worker";
}

/** Metrics of the inventory in addition to its requests. */
export interface InventoryCounts {
  /** Commands that wait for a call. */
  readonly waiting: number;
  /** Shards that refused to sell at their last call. */
  readonly unarmedShards: number;
  readonly soldOut: { readonly hits: number; readonly misses: number };
}

export interface Telemetry {
  /** Observes requests to a store of this kind; `onFailed` is called for each that got 5xx, or an item of which did. */
  requests(system: StoreSystem, onFailed: (requestRecord: RequestRecord) => void): RequestObserver;
  readonly onStoreCall: (call: StoreCall) => void;
  /** Called for every operation of a client of Redis or PostgreSQL. */
  readonly onClientCall: (system: string, operation: string, ms: number, error: string) => void;
  /** Observes a worker's shards. */
  readonly worker: WorkerObserver;
  readonly log: LogSink;
  observeInventory(counts: InventoryCounts): void;
  /** Sends the queued telemetry, within 2 s. Never rejects. */
  stop(): Promise<void>;
}

/**
 * @param config null = no telemetry: returns null
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
  const { meter, spans, contexts } = backend;
  const calls = new StoreCalls(meter);
  const stopProcess = watchProcess(world, meter);
  let shards: Shards | undefined;
  let inventory: InventoryCounts | undefined;
  // In the embedded default, both are in one process.
  meter.observe(
    instruments.unarmed,
    () => single(Math.max(shards?.unarmed ?? 0, inventory?.unarmedShards ?? 0)),
  );
  return {
    requests: (system, onFailed) => new Requests({ world, config, contexts, spans, meter, system, onFailed }),
    log: (line) => {
      if (!isAboutSending(line)) backend.log(line);
    },
    onStoreCall: (call) => calls.batcher(call),
    onClientCall: (system, operation, ms, error) => calls.client(system, operation, ms, error),
    get worker() {
      return shards ??= new Shards({ world, config, contexts, spans, meter });
    },
    observeInventory(counts) {
      inventory = counts;
      meter.observe(instruments.queueDepth, () => single(counts.waiting));
      meter.observe(instruments.cacheHits, () => single(counts.soldOut.hits));
      meter.observe(instruments.cacheMisses, () => single(counts.soldOut.misses));
    },
    async stop() {
      await backend.stop();
      stopProcess();
    },
  };
}

/** The failure to export logs must not itself be exported as a log line. */
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
    // Two processes with one identity would overwrite each other's values.
    "service.instance.id": world.uuid(),
  };
  const { endpoint, headers } = config;
  const contexts = new Tracing(world, config);
  // Loaded only when needed: the SDK takes 100 ms.
  if (endpoint === null) return (await import("./builtin.ts")).startBuiltin(world, contexts);
  return (await import("./sdk.ts")).startSdk({ endpoint, headers, resource, world, contexts, onFailure });
}
