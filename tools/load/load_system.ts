/**
 * The system that `deno task load` sells on: one that runs, or one that is started for it; and the stock of a run.
 *
 * @module
 */
import { settings } from "../../src/runtime/settings/config.ts";
import { withConnection } from "../servers/database.ts";
import { dataDir } from "../servers/run_folder.ts";
import { waitFor } from "../servers/wait.ts";
import { Service } from "../../tests/system/stack.ts";

const readyDeadlineMs = 30_000;
const appliedDeadlineMs = 60_000;
/** Requests under way at a time while stock is made, counted and removed. */
const requestsMax = 32;
/** An order that is still under way may change a SKU between its read and its removal. */
const removeAttemptsMax = 20;

/** A system under load; `processes` are those that were started for it, so that their CPU can be measured. */
export interface System extends AsyncDisposable {
  /** The API's address, without a slash at its end. */
  readonly url: string;
  /** Process ids by name. */
  readonly processes: Readonly<Record<string, number>>;
}

/** What was asked for cannot be done; the message is for the user. */
export class LoadError extends Error {
  /** What logs show. */
  override name = "LoadError";
}

/** The system at `url`, or an API (and a worker where REDIS_URL is set) with the settings of this process. */
export async function startSystem(url: string | undefined): Promise<System> {
  if (url !== undefined) {
    return { url: url.replace(/\/+$/, ""), processes: {}, async [Symbol.asyncDispose]() {} };
  }
  const own = ownSettings();
  const hasRedis = own.REDIS_URL !== undefined;
  if (hasRedis && own.DATABASE_URL === undefined) {
    throw new LoadError("Cannot start a system on REDIS_URL without DATABASE_URL: no worker would arm it");
  }
  await using started = new AsyncDisposableStack();
  const place = hasRedis ? {} : { DATA_DIR: await dataDir("load"), DEMO_STOCK: "0" };
  const env = { LOG_LEVEL: "warn", ...own, ...place };
  const api = started.use(await Service.start("api", env));
  const worker = hasRedis ? started.use(await Service.start("worker", env)) : null;
  await api.ready(readyDeadlineMs);
  const owned = started.move();
  return {
    url: api.url,
    processes: { API: api.pid, ...worker ? { worker: worker.pid } : {} },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Settings of Holdfast in this process' environment (SHARDS, NAMESPACE, …), without where an API listens. */
function ownSettings(): Record<string, string> {
  const names = Object.values(settings).map(({ name }) => name).filter((name) =>
    name !== "HOST" && name !== "PORT"
  );
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value ? [[name, value]] : [];
  }));
}

/** SKUs of one run: made before it, counted after it, emptied at its end. */
export class LoadStock {
  constructor(
    readonly url: string,
    readonly headers: Readonly<Record<string, string>>,
    readonly run: string,
    readonly skus: readonly string[],
    readonly units: number,
  ) {}

  async make(): Promise<void> {
    await this.#each(async (sku) => {
      const body = JSON.stringify({ adjustment_id: `load-${this.run}`, delta: this.units });
      const made = await this.#send(sku, "/adjustments", { method: "POST", body });
      if (made.status !== 201) throw new LoadError(`Cannot stock ${sku}: ${await made.text()}`);
      await made.body?.cancel();
    });
  }

  /** Units that are not there any more. */
  async gone(): Promise<number> {
    let gone = 0;
    await this.#each(async (sku) => {
      const available = await this.#available(sku) ?? this.units;
      gone += this.units - available;
    });
    return gone;
  }

  /** Takes what is left away: a SKU cannot be deleted, but has no units then. Returns how many SKUs still have some. */
  async remove(): Promise<number> {
    let left = 0;
    await this.#each(async (sku) => {
      for (let attempt = 1; attempt <= removeAttemptsMax; attempt++) {
        const available = await this.#available(sku);
        if (available === undefined || available === 0) return; // never made, or sold out
        const adjustment_id = `load-${this.run}-end-${attempt}`;
        const body = JSON.stringify({ adjustment_id, available: 0, expected: available, reason: "load" });
        const set = await this.#send(sku, "", { method: "PUT", body });
        await set.body?.cancel();
        if (set.ok) return;
      }
      left++;
    });
    return left;
  }

  async #available(sku: string): Promise<number | undefined> {
    const response = await this.#send(sku, "", {});
    const body = await response.json();
    if (response.status === 404) return undefined;
    if (!response.ok) throw new LoadError(`Cannot read ${sku}: ${response.status} ${JSON.stringify(body)}`);
    return body.available;
  }

  #send(sku: string, action: string, init: RequestInit): Promise<Response> {
    return fetch(`${this.url}/api/v1/inventory/${sku}${action}`, { headers: this.headers, ...init });
  }

  async #each(use: (sku: string) => Promise<void>): Promise<void> {
    for (let first = 0; first < this.skus.length; first += requestsMax) {
      await Promise.all(this.skus.slice(first, first + requestsMax).map(use));
    }
  }
}

/** Waits until as many orders of this run are in the ledger as units are gone; returns how many at the deadline. */
export async function unitsApplied(databaseUrl: string, run: string, gone: number): Promise<number> {
  const schema = Deno.env.get("NAMESPACE") || "inventory";
  return await withConnection(databaseUrl, async (sql) => {
    let applied = 0;
    await waitFor(async () => {
      const [row] = await sql`
        select count(*)::int as count from ${sql(schema)}.order_lines where order_id like ${`${run}-%`}`;
      applied = row?.count ?? 0;
      return applied >= gone;
    }, { deadlineMs: appliedDeadlineMs, what: "the ledger" }).catch(() => {});
    return applied;
  });
}
