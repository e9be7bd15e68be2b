/**
 * The port of the verbs to servers and settings. `src/compose/cli_context.ts` supplies the adapters; each is opened at its
 * first use, so `stock` needs no PostgreSQL and `dead-letters` no Redis.
 *
 * @module
 */
import type { Config } from "../../runtime/settings/config.ts";
import type { DecisionLimits } from "../../domain/limits.ts";
import type { ShardControl } from "../../decide/shard_control.ts";
import type { ShardReader } from "../../decide/shard_reader.ts";
import type { StockStore } from "../../decide/store.ts";
import type { Deployment, Ledger } from "../../ledger/ledger.ts";
import type { Queries } from "../../ledger/database.ts";
import type { EventLog } from "../../log/event_log.ts";
import type { TopicFacts } from "../../log/topic.ts";
import type { World } from "../../runtime/world.ts";
import type { Asked } from "./api_request.ts";

/** Sends one command to a Redis server, once. */
export type RedisCall = (command: string, ...args: (string | number)[]) => Promise<unknown>;

/** Every opener rejects with a {@link Failure} when its server is not configured or unavailable. */
export interface CliContext {
  readonly config: Config;
  readonly world: World;
  /** The actor in the log: `cli:<user>`. */
  readonly actor: string;
  /** The API's own routes, in this process, on the servers of the settings. */
  api(): Promise<(asked: Asked) => Promise<Response>>;
  /** Decides batches. */
  store(): Promise<StockStore>;
  /** The Redis server of a shard. */
  redis(shard: number): Promise<RedisCall>;
  /** Inspects, restores and arms shards, with `limits`; by default those of the settings. */
  control(limits?: DecisionLimits): Promise<ShardControl>;
  /** Reads shards for a comparison, armed or not. */
  reader(): Promise<ShardReader>;
  log(): Promise<EventLog>;
  /** The topic, or why it cannot be inspected; null = KAFKA_BROKERS is unset. */
  topic(): Promise<TopicLook | null>;
  ledger(): Promise<Ledger>;
  deployment(): Promise<Deployment>;
  /** The ledger's database, for reports. */
  database(): Promise<Queries>;
  close(): Promise<void>;
}

/** Result of an inspection of the topic. */
export type TopicLook =
  | { readonly kind: "away"; readonly why: string }
  | { readonly kind: "missing" }
  /** `whyUnusable`: why the worker cannot use it; undefined when it can. */
  | { readonly kind: "found"; readonly facts: TopicFacts; readonly whyUnusable: string | undefined };

/** Every shard of the settings. */
export function allShards({ config }: CliContext): number[] {
  return Array.from({ length: config.shards }, (_, shard) => shard);
}
