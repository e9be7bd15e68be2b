/**
 * The port to everything that a verb may touch. `inventory.ts` fills it with adapters; each is opened when a
 * verb first asks for it, so `stock` needs no PostgreSQL and `dead-letters` no Redis.
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

/** What a verb may touch. Every opener rejects with a {@link Failure} when its server is not set or away. */
export interface CliContext {
  /** The settings. */
  readonly config: Config;
  /** The clock, timers and dice. */
  readonly world: World;
  /** Who asks, as the log says it: `cli:<user>`. */
  readonly actor: string;
  /** The API's own routes, in this process, on the servers of the settings. */
  api(): Promise<(asked: Asked) => Promise<Response>>;
  /** Decides batches. */
  store(): Promise<StockStore>;
  /** The Redis server that has a shard. */
  redis(shard: number): Promise<RedisCall>;
  /** Looks at shards; restores and arms them, by `limits`: the settings when left out. */
  control(limits?: DecisionLimits): Promise<ShardControl>;
  /** Reads shards for a comparison, armed or not. */
  reader(): Promise<ShardReader>;
  /** The log. */
  log(): Promise<EventLog>;
  /** The topic as it is, or why nobody can look at it; null = there is no KAFKA_BROKERS. */
  topic(): Promise<TopicLook | null>;
  /** The ledger. */
  ledger(): Promise<Ledger>;
  /** Whose ledger they are. */
  deployment(): Promise<Deployment>;
  /** The ledger's database, for reports. */
  database(): Promise<Queries>;
  /** Closes what was opened. */
  close(): Promise<void>;
}

/** What a look at the topic found. */
export type TopicLook =
  | { readonly kind: "away"; readonly why: string }
  | { readonly kind: "missing" }
  /** `whyUnusable`: what keeps the worker from using it; undefined when nothing does. */
  | { readonly kind: "found"; readonly facts: TopicFacts; readonly whyUnusable: string | undefined };

/** Every shard of the settings. */
export function allShards({ config }: CliContext): number[] {
  return Array.from({ length: config.shards }, (_, shard) => shard);
}
