/**
 * CPU of a worker for an order, from the stream and through Kafka: real processes, side by side on the same orders.
 *
 *     deno task bench bench/worker_cost.ts                                   steps of 4 orders, 4,000 orders a second
 *     deno task bench bench/worker_cost.ts -- --step=37 --rate=8000 --rounds=5
 *     deno task bench bench/worker_cost.ts -- --before=<folder of a checkout>
 *
 * Each round sells at the rate for some seconds, then with the workers stopped, which catch up one after the other. CPU is
 * the system's own accounting of the process, with its threads; Redis, the brokers and PostgreSQL are not in it.
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { parseArgs } from "node:util";
import postgres, { type Sql } from "postgres";
import { RedisStore } from "../src/redis/store.ts";
import { ClusterMap } from "../src/redis/cluster_map.ts";
import { ShardConnections } from "../src/redis/shard_connections.ts";
import { realWorld } from "../src/runtime/world.ts";
import { adjust, decide, deduct } from "../tests/contract/store_suite.ts";
import { Service } from "../tests/system/stack.ts";
import { cpuMs } from "../tools/load/oha.ts";
import { startKafka } from "../tools/servers/kafka.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../tools/servers/shared.ts";
import { waitFor } from "../tools/servers/wait.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    step: { type: "string", default: "4" },
    rate: { type: "string", default: "4000" },
    seconds: { type: "string", default: "10" },
    orders: { type: "string", default: "40000" },
    rounds: { type: "string", default: "3" },
    before: { type: "string", default: "" },
  },
});
const [step, rate, seconds, orders, rounds] = [
  asked.step,
  asked.rate,
  asked.seconds,
  asked.orders,
  asked.rounds,
].map(Number) as [number, number, number, number, number];
const deadlineMs = 300_000;
const tickMs = 5;
/** A worker that catches up is measured from here on, past its start. */
const warmShare = 0.25;

/** One worker with a store and a ledger of its own. */
class Subject implements AsyncDisposable {
  readonly live: number[] = [];
  readonly behind: number[] = [];
  #sold = 0;

  private constructor(
    readonly name: string,
    readonly store: RedisStore,
    readonly worker: Service,
    readonly sql: Sql,
    readonly parts: AsyncDisposableStack,
  ) {}

  static async start(name: string, env: Record<string, string>, folder?: string): Promise<Subject> {
    const parts = new AsyncDisposableStack();
    const namespace = freshNamespace();
    const databaseUrl = await sharedPostgres().freshDatabase();
    const [REDIS_URL, place] = [sharedRedis().url, { namespace, shards: 1 }];
    const settings = {
      NAMESPACE: namespace,
      REDIS_URL,
      DATABASE_URL: databaseUrl,
      LOG_LEVEL: "warn",
      ...env,
    };
    const worker = parts.use(await Service.start("worker", settings, folder ? { folder } : {}));
    const map = new ClusterMap([REDIS_URL], place, { name: "bench", world: realWorld, onError() {} });
    parts.defer(() => map.close());
    const limits = { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax: 1_000_000 };
    const connections = new ShardConnections(map, "shard");
    const store = new RedisStore(connections, { ...place, deployment: "" }, {
      ...limits,
      replicaTimeoutMs: 1000,
    });
    parts.defer(() => store.close());
    const sql = postgres(databaseUrl, { max: 1, connection: { search_path: namespace } });
    parts.defer(() => sql.end());
    const subject = new Subject(name, store, worker, sql, parts);
    await waitFor(async () => {
      const result = await store.decide(0, []);
      return result.kind === "decided";
    }, { deadlineMs, what: "an armed shard" });
    await decide(store, adjust("stock", "S", 100_000_000));
    subject.#sold = 1;
    return subject;
  }

  async sell(): Promise<void> {
    const first = this.#sold;
    this.#sold += step;
    const outcomes = await decide(
      this.store,
      ...Array.from({ length: step }, (_, i) => {
        const id = String(first + i).padStart(12, "0");
        return deduct(`00000000-0000-4000-8000-${id}`, "S", 1, `user-${id}`);
      }),
    );
    if (!outcomes.every(({ kind }) => kind === "accepted")) throw new Error(JSON.stringify(outcomes[0]));
  }

  async applied(): Promise<number> {
    const [row] = await this.sql`select seq::float as seq from log_cursor where shard = 0`;
    return Number(row?.seq);
  }

  cpuUs(): Promise<number> {
    return cpuMs(this.worker.pid).then((ms) => (ms ?? 0) * 1000);
  }

  async whenApplied(share = 1, from = 0): Promise<void> {
    const wanted = from + (this.#sold - from) * share;
    await waitFor(async () => await this.applied() >= wanted, {
      deadlineMs,
      what: `the ledger of ${this.name}`,
    });
  }

  /** Catches up with what was sold meanwhile. */
  async catchUp(from: number): Promise<void> {
    await this.worker.restart();
    await this.whenApplied(warmShare, from);
    const [cpu, seq] = [await this.cpuUs(), await this.applied()];
    await this.whenApplied();
    this.behind.push((await this.cpuUs() - cpu) / (this.#sold - seq));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.parts.disposeAsync();
  }
}

/** Sells the same to all, at the rate. */
async function sellLive(subjects: readonly Subject[]): Promise<void> {
  const startMs = performance.now();
  const steps = seconds * rate / step;
  for (let done = 0; done < steps;) {
    const due = Math.min(steps, Math.floor((performance.now() - startMs) / 1000 * rate / step));
    for (; done < due; done++) await Promise.all(subjects.map((subject) => subject.sell()));
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

await using kafka = await startKafka();
await using all = new AsyncDisposableStack();
const subjects: Subject[] = [];
for (const [suffix, folder] of [["", undefined], [", before", asked.before]] as const) {
  if (folder === "") continue;
  for (const way of ["stream", "Kafka"]) {
    const env: Record<string, string> = way === "Kafka" ? { KAFKA_BROKERS: kafka.broker } : {};
    subjects.push(all.use(await Subject.start(way + suffix, env, folder)));
  }
}
for (let round = 0; round <= rounds; round++) {
  const before = await Promise.all(subjects.map((subject) => subject.cpuUs()));
  await sellLive(subjects);
  for (const subject of subjects) await subject.whenApplied();
  for (const [i, subject] of subjects.entries()) {
    if (round > 0) subject.live.push((await subject.cpuUs() - (before[i] ?? 0)) / (seconds * rate));
  }
  if (round === 0) continue; // warms up
  await Promise.all(subjects.map(({ worker }) => worker.stop()));
  const from = await Promise.all(subjects.map((subject) => subject.applied()));
  for (let sold = 0; sold < orders; sold += step) {
    await Promise.all(subjects.map((subject) => subject.sell()));
  }
  // The first of all costs up to a fifth more, so each is first in turn.
  for (const i of subjects.keys()) {
    const turn = (i + round - 1) % subjects.length;
    await subjects[turn]?.catchUp(from[turn] ?? 0);
  }
  for (const { name, live, behind } of subjects) {
    console.log(
      `round ${round} ${name}: live ${live.at(-1)?.toFixed(1)}, catching up ${behind.at(-1)?.toFixed(1)}`,
    );
  }
}
console.log(
  `steps of ${step}, ${rate} orders a second; µs of the worker's CPU an order, median of ${rounds}`,
);
for (const [i, { name, live, behind }] of subjects.entries()) {
  const stream = subjects[i - i % 2] as Subject;
  const ratio = (own: number[], base: number[]) =>
    (median(own.map((one, k) => one / (base[k] ?? 1)))).toFixed(2);
  console.log(
    `${name.padEnd(15)} live ${median(live).toFixed(1)} (${ratio(live, stream.live)} ×), catching up ` +
      `${median(behind).toFixed(1)} (${ratio(behind, stream.behind)} ×)`,
  );
}
