/**
 * A deployment on hosts of its own: a Redis Cluster of three masters with a replica each, PostgreSQL, workers
 * and an API, between any two of which packets can be dropped.
 *
 * @module
 */
import { type RedisCluster, startCluster } from "../../tools/servers/cluster.ts";
import { type Host, type Network, openNetwork } from "../../tools/servers/network.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import type { RedisServer } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { allShardKeys, allShardSlots } from "../../src/redis/keys.ts";
import { oneSkuAShard } from "../system/plan.ts";
import { type Env, Service } from "../system/stack.ts";
import { Sale } from "../fault/sale.ts";

const NODES = 6;
const READY_DEADLINE_MS = 60_000;

/** How many of each, and their settings. */
export interface FixtureOptions {
  readonly shards: number;
  /** 1 when left out. */
  readonly workers?: number;
  /** 1 when left out. */
  readonly apis?: number;
  readonly env?: Env;
  /** Of every Redis server, in addition to the defaults. */
  readonly redisArgs?: readonly string[];
}

/** A service and the host that it runs on. */
export interface Hosted {
  readonly service: Service;
  readonly host: Host;
}

/** Everything started; the API can sell. */
export interface Fixture extends AsyncDisposable {
  readonly network: Network;
  readonly cluster: RedisCluster;
  /** Hosts of the nodes, in the order of the nodes. */
  readonly nodes: readonly Host[];
  readonly ledger: Host;
  readonly databaseUrl: string;
  /** The first API. */
  readonly api: Hosted;
  readonly apis: readonly Hosted[];
  readonly workers: readonly Hosted[];
  /** One a shard. */
  readonly skus: readonly string[];
  /** Index of the node that is the master of a shard now, as `seenBy` says (any node). */
  masterOf(shard: number, seenBy?: RedisServer): Promise<number>;
  /** Waits until answers of a shard wait for its replica, as its master says. */
  untilReplicated(shard: number): Promise<void>;
  /** Begins a sale of one SKU a shard. */
  sale(): Promise<Sale>;
}

/** Starts a deployment. */
export async function openFixture(
  { shards, workers = 1, apis = 1, env = {}, redisArgs = [] }: FixtureOptions,
): Promise<Fixture> {
  await using started = new AsyncDisposableStack();
  const network = started.use(await openNetwork());
  const hosts: Host[] = [];
  for (let i = 0; i < NODES + workers + apis + 1; i++) hosts.push(await network.host());
  const [ledger, ...serviceHosts] = hosts.splice(NODES) as [Host, ...Host[]];
  const [cluster, postgres] = await Promise.all([
    startCluster({ hosts, args: redisArgs }).then((cluster) => started.use(cluster)),
    startPostgres({ host: ledger }).then((postgres) => started.use(postgres)),
  ]);
  const databaseUrl = await postgres.freshDatabase();
  const all = {
    REDIS_URL: cluster.urls.join(),
    SHARDS: String(shards),
    USER_LIMIT_MS: "0",
    REQUEST_TIMEOUT_MS: "1000",
    API_TOKENS: JSON.stringify({
      "a-token-of-the-tests-of-networks": { name: "net", scopes: ["deduct", "return", "read", "admin"] },
    }),
    ...env,
  };
  const start = async (program: "api" | "worker", host: Host, own: Env) => ({
    host,
    service: started.use(await Service.start(program, { ...all, ...own }, { host })),
  });
  const services = await Promise.all(
    serviceHosts.map((host, i) =>
      i < apis ? start("api", host, {}) : start("worker", host, { DATABASE_URL: databaseUrl })
    ),
  );
  const selling = services.slice(0, apis);
  const [api] = selling;
  if (!api) throw new RangeError("Cannot start a deployment without an API");
  for (const { service } of selling) await service.ready(READY_DEADLINE_MS);
  const slots = allShardSlots({ namespace: "inventory", shards });
  const skus = oneSkuAShard(shards);
  const ownerOf = (shard: number, seenBy?: RedisServer) => cluster.ownerOf(slots[shard] ?? -1, seenBy);
  const metas = allShardKeys({ namespace: "inventory", shards }).map(([meta = ""]) => meta);
  const owned = started.move();
  return {
    network,
    cluster,
    nodes: hosts,
    ledger,
    databaseUrl,
    api,
    apis: selling,
    workers: services.slice(apis),
    skus,
    masterOf: async (shard, seenBy) => cluster.nodes.indexOf(await ownerOf(shard, seenBy)),
    untilReplicated: (shard) =>
      waitFor(async () => await (await ownerOf(shard)).cli("HGET", metas[shard] ?? "", "replicas") === "1", {
        deadlineMs: READY_DEADLINE_MS,
        what: "answers that wait for a replica",
      }),
    sale: () => Sale.open({ apis: selling.map(({ service }) => service), databaseUrl, skus }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
