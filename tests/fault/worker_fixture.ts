/**
 * A shard in Redis and a worker in this process, whose acknowledgements can be held up.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import type { Nonce, ShardControl } from "../../src/decide/shard_control.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import type { Position } from "../../src/domain/event.ts";
import { keyNames } from "../../src/redis/keys.ts";
import { createLoggerTo, type LogLine } from "../../src/runtime/logger.ts";
import { startWorker } from "../../src/worker/balancer.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { decide, deduct } from "../contract/store_suite.ts";
import { makeRedisStore, type RedisUnderTest } from "../contract/stores.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";

/** Until something happens that takes a second at most on a quiet machine. */
export const STEP_DEADLINE_MS = 60_000;
/** Timers of the drivers end after the test. */
export const FIXTURE_OPTIONS = { sanitizeOps: false, sanitizeResources: false };

/** A worker in this process, whose acknowledgements can be held up. */
export interface Fixture extends AsyncDisposable {
  readonly client: Redis;
  readonly under: RedisUnderTest;
  readonly keys: readonly string[];
  readonly databaseUrl: string;
  readonly lines: readonly LogLine[];
  /** Acknowledgements that were answered. */
  acknowledgements(): number;
  /** Acknowledgements wait from now on, until the result is called. */
  holdAcknowledgements(): () => void;
  /** Ends the worker; the shard stays armed. */
  stopWorker(): Promise<void>;
}

/** What a worker of a test may have in addition. */
export type WorkerOptions = Partial<Pick<Parameters<typeof startWorker>[0], "reconcileMs" | "observer">>;

/** Starts a worker on a shard of its own and waits until it is armed. */
export async function startFixture(
  redis: { readonly url: string },
  options: WorkerOptions = {},
): Promise<Fixture> {
  await using started = new AsyncDisposableStack();
  const under = started.use(await makeRedisStore(redis.url));
  const client = started.adopt(new Redis(redis.url), (client) => void client.disconnect());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const lines: LogLine[] = [];
  let acknowledgements = 0;
  let gate = Promise.resolve();
  const acknowledge = async (shard: number, applied: Position, whose: string, nonce: Nonce) => {
    await gate;
    return await under.control.acknowledge(shard, applied, whose, nonce).finally(() => acknowledgements++);
  };
  const control = new Proxy(under.control, {
    get(target, name) {
      if (name === "acknowledge") return acknowledge;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  }) as ShardControl;
  const worker = await startWorkerHere({ ...under, control }, databaseUrl, lines, options);
  let isRunning = true;
  const stopWorker = async () => {
    if (isRunning) await worker[Symbol.asyncDispose]();
    isRunning = false;
  };
  started.defer(stopWorker);
  await waitFor(async () => (await under.store.decide(0, [])).kind === "decided", {
    deadlineMs: STEP_DEADLINE_MS,
    what: "an armed shard",
  });
  const owned = started.move();
  return {
    ...{ client, under, databaseUrl, lines },
    keys: keyNames.map((name) => `{${under.namespace}:0}:${name}`),
    stopWorker,
    acknowledgements: () => acknowledgements,
    holdAcknowledgements() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** A worker in this process: on the shard of `under`, with the ledger at `databaseUrl`. */
export async function startWorkerHere(
  under:
    & Pick<RedisUnderTest, "namespace" | "control" | "store" | "log">
    & Partial<Pick<RedisUnderTest, "reader">>,
  databaseUrl: string,
  lines: LogLine[],
  options: WorkerOptions = {},
): Promise<AsyncDisposable> {
  const { namespace, control, store, log, reader } = under;
  const ledger = await openLedgerAt(databaseUrl, namespace);
  const worker = startWorker({
    ...{ ledger, deployment: await ledger.prepare(1), control, store, log, world: realWorld },
    ...reader && { reader },
    ...options,
    logger: createLoggerTo(realWorld, "info", (line) => lines.push(line)),
    durability: "report",
    retentionMs: 400 * 86_400_000,
  });
  return {
    async [Symbol.asyncDispose]() {
      await worker.stop();
      await ledger.close();
    },
  };
}

/** The ledger in a schema of its own. */
export function openLedgerAt(url: string, namespace: string): Promise<Ledger> {
  return openLedger(openPostgres({ url, namespace, applicationName: "test", world: realWorld }), realWorld);
}

/** Sells units of a SKU, `batch` a call. Returns how many were accepted. */
export async function sell(
  { under }: Fixture,
  act: string,
  sku: string,
  units: number,
  batch: number,
): Promise<number> {
  let accepted = 0;
  for (let sold = 0; sold < units; sold += batch) {
    const orders = Array.from(
      { length: Math.min(batch, units - sold) },
      (_, i) => deduct(`${act}-${sku}-${sold + i}`, sku, 1, `user-${act}-${sold + i}`),
    );
    const outcomes = await decide(under.store, ...orders);
    accepted += outcomes.filter(({ kind }) => kind === "accepted").length;
  }
  return accepted;
}

/** What the ledger has. */
export interface AppliedState {
  readonly seq: number;
  readonly sales: number;
  readonly lost: number;
}

/** Reads it. */
export async function applied({ databaseUrl, under: { namespace } }: Fixture): Promise<AppliedState> {
  return await withConnection(databaseUrl, async (sql) => {
    const [row] = await sql.unsafe<AppliedState[]>(`select
      (select seq from "${namespace}".log_cursor)::integer as seq,
      (select count(*) from "${namespace}".movements where kind = 'deduct')::integer as sales,
      (select coalesce(sum(count), 0) from "${namespace}".log_jumps)::integer as lost`);
    assert.ok(row);
    return { ...row };
  });
}

/** Waits until the ledger has a number, and the store knows. */
export async function untilApplied(fixture: Fixture, seq: number): Promise<void> {
  await waitFor(async () => (await applied(fixture)).seq >= seq, {
    deadlineMs: STEP_DEADLINE_MS,
    what: `number ${seq} in the ledger`,
  });
  // The store has it: an acknowledgement followed the applying.
  await waitFor(async () => (await fixture.under.control.inspect(0)).applied >= seq, {
    deadlineMs: STEP_DEADLINE_MS,
    what: `a store that knows that ${seq} is applied`,
  });
}

/** The line of the arming after the strike. */
export async function armedAgain({ lines }: Fixture): Promise<LogLine> {
  const armings = () => lines.filter(({ message }) => message === "shard armed");
  await waitFor(() => armings().length > 1, { deadlineMs: STEP_DEADLINE_MS, what: "a second arming" });
  return armings()[1] ?? assert.fail();
}

/** What is left in store and ledger, SKU by SKU. */
export async function quantities({ databaseUrl, under }: Fixture): Promise<unknown[]> {
  const { rows } = await under.control.stock(0, "0");
  const store = rows.map(({ sku, available }) => [sku, available]).sort();
  const ledger = await withConnection(databaseUrl, async (sql) => {
    const found = await sql.unsafe<{ sku: string; available: number }[]>(
      `select sku, available::integer from "${under.namespace}".stock order by sku`,
    );
    return found.map(({ sku, available }) => [sku, available]);
  });
  return [store, ledger];
}
