/**
 * The embedded default: memory store, ledger in a folder, and the worker's loop in the API's process.
 *
 * @module
 */
import type { StoreConfig } from "../runtime/settings/config.ts";
import { DurableStore, Watermark } from "../decide/durable_store.ts";
import { MemoryStore } from "../decide/memory/store.ts";
import { limitsOf } from "../domain/limits.ts";
import { openSqliteLedger } from "../ledger/sqlite/ledger.ts";
import { startWorker } from "../worker/balancer.ts";
import type { OpenStore } from "./open_store.ts";
import { fatal, type Process } from "./process.ts";

/** Opens the folder of `wanted`, fills the memory store from its ledger, and starts the worker. */
export async function openEmbeddedStore(
  { config, world, logger, telemetry }: Process,
  wanted: Extract<StoreConfig, { kind: "embedded" }>,
): Promise<OpenStore> {
  const { shards, namespace } = config;
  const ledger = await openSqliteLedger({ folder: wanted.dataDir, namespace, world });
  const deployment = await ledger.prepare(shards);
  const memory = new MemoryStore(world, limitsOf(config), shards);
  const watermark = new Watermark();
  const worker = startWorker({
    ledger,
    deployment,
    log: memory,
    control: memory,
    store: memory,
    world,
    logger,
    durability: config.durability,
    retentionMs: config.retentionDays * 86_400_000,
    movementsRetentionMs: config.movementsRetentionDays * 86_400_000,
    ...telemetry && { observer: telemetry.worker },
    onApplied: (shard, seq) => watermark.advance(shard, seq),
    onFailure: fatal, // an order that cannot be applied must not be answered
  });
  const all = Array.from({ length: shards }, (_, shard) => shard);
  await Promise.all(all.map((shard) => watermark.reached(shard, 0)));
  return {
    store: new DurableStore(memory, watermark),
    ledger,
    deployment: () => deployment.id,
    guaranteesOff: () => [],
    stop: [() => worker.stop(), () => memory.close(), () => ledger.close()],
    demoStock: wanted.demoStock && all.every((shard) => watermark.at(shard) === 0),
  };
}
