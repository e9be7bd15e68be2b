/**
 * The ledger's database in a folder, without a server: PGlite, which is PostgreSQL in this process.
 *
 * PGlite has one session and serves one call at a time, so a transaction is never seen half done. It writes
 * to the file system but does not fsync: `kill -9` loses nothing, a power cut may.
 *
 * @module
 */
import type { PGlite, Results } from "@electric-sql/pglite";
import {
  type Database,
  pageInOrder,
  type Param,
  type Queries,
  quotedName,
  type Session,
  SqlError,
  type Transaction,
} from "../database.ts";
import { type FolderLock, lockFolder } from "../folder_lock.ts";
import { LeaseLost } from "../../domain/errors.ts";

/** Where the ledger is. */
export interface PgliteOptions {
  /** Made when missing; one process at a time. */
  readonly folder: string;
  /** The schema. */
  readonly namespace: string;
}

/** What PGlite itself and its transactions have in common. */
interface Engine {
  query<Row>(statement: string, params?: unknown[]): Promise<Results<Row>>;
  exec(statements: string): Promise<unknown>;
}

/** Object identifier of the type int8 in PostgreSQL's catalog. */
const INT8 = 20;

/**
 * Opens the database in a folder, and makes it when there is none (2 s; opening takes 0.3 s).
 *
 * @throws {Deno.errors.Busy} when another process uses the folder
 */
export async function openPglite(options: PgliteOptions): Promise<Database> {
  const schema = quotedName(options.namespace);
  const lock = await lockFolder(options.folder);
  try {
    const engine = await openEngine(options.folder);
    await engine.exec(`set search_path = ${schema}`);
    return new PgliteDatabase(options.namespace, engine, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A process killed while it makes the files leaves half of them: they get their name when they are whole. */
async function openEngine(folder: string): Promise<PGlite> {
  const whole = `${folder}/ledger`;
  const unfinished = `${folder}/ledger.unfinished`;
  if (!await exists(whole)) {
    await Deno.remove(unfinished, { recursive: true }).catch(ignoreMissing);
    await (await create(unfinished)).close();
    await Deno.rename(unfinished, whole);
  }
  return await create(whole);
}

async function create(dataDir: string): Promise<PGlite> {
  // Imported here, so that a process that works with servers never loads 20 MB of WebAssembly.
  const { PGlite } = await import("@electric-sql/pglite");
  return await PGlite.create({
    dataDir,
    relaxedDurability: false, // a commit has reached the file system when it answers
    parsers: { [INT8]: Number },
  });
}

async function exists(path: string): Promise<boolean> {
  const found = await Deno.stat(path).catch(ignoreMissing);
  return found !== undefined;
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

class PgliteDatabase implements Database {
  readonly #engine: PGlite;
  readonly #lock: FolderLock;
  /** Keys of the locks that are taken. In memory: no other process can be here. */
  readonly #locked = new Set<number>();
  #closed = false;

  constructor(readonly namespace: string, engine: PGlite, lock: FolderLock) {
    this.#engine = engine;
    this.#lock = lock;
  }

  query<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]> {
    return queriesOf(this.#engine).query<Row>(statement, params);
  }

  script(statements: string): Promise<void> {
    return queriesOf(this.#engine).script(statements);
  }

  session(): Promise<Session> {
    return Promise.resolve(new PgliteSession(this.#engine, this.#locked));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#engine.close();
    } finally {
      this.#lock.release();
    }
  }
}

class PgliteSession implements Session {
  /** There is no server. */
  readonly pid = 0;
  readonly #engine: PGlite;
  readonly #locked: Set<number>;
  readonly #mine = new Set<number>();
  #ended = false;

  constructor(engine: PGlite, locked: Set<number>) {
    this.#engine = engine;
    this.#locked = locked;
  }

  async query<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]> {
    this.#mustLive();
    return await queriesOf(this.#engine).query<Row>(statement, params);
  }

  async script(statements: string): Promise<void> {
    this.#mustLive();
    await queriesOf(this.#engine).script(statements);
  }

  async transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#mustLive();
    return await this.#engine.transaction((tx) =>
      run({ ...queriesOf(tx), rollback: () => tx.rollback() })
    ) as T;
  }

  page<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]> {
    return pageInOrder(this, statement, params);
  }

  tryLock(key: number): Promise<boolean> {
    this.#mustLive();
    const free = !this.#locked.has(key);
    if (free) {
      this.#locked.add(key);
      this.#mine.add(key);
    }
    return Promise.resolve(free);
  }

  // deno-lint-ignore require-await -- async, so that a lost lease rejects and does not throw
  async unlock(key: number): Promise<void> {
    this.#mustLive();
    if (this.#mine.delete(key)) this.#locked.delete(key);
  }

  // deno-lint-ignore require-await -- as above
  async locks(): Promise<number[]> {
    this.#mustLive();
    return [...this.#locked];
  }

  ended(): Promise<number[]> {
    return Promise.resolve([]);
  }

  abandon(): void {
    void this.close();
  }

  // deno-lint-ignore require-await -- async, so that a lost lease rejects and does not throw
  async ping(): Promise<void> {
    this.#mustLive();
  }

  close(): Promise<void> {
    this.#ended = true;
    for (const key of this.#mine) this.#locked.delete(key);
    this.#mine.clear();
    return Promise.resolve();
  }

  #mustLive(): void {
    if (this.#ended || this.#engine.closed) throw new LeaseLost("it was released, or its database closed");
  }
}

function queriesOf(engine: Engine): Queries {
  return {
    async query<Row extends object>(statement: string, params: readonly Param[] = []): Promise<Row[]> {
      const { rows } = await engine.query<Row>(statement, [...params]).catch(rethrow);
      return rows;
    },
    async script(statements: string): Promise<void> {
      await engine.exec(statements).catch(rethrow);
    },
  };
}

function rethrow(error: unknown): never {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    throw new SqlError(error.code, error.message, { cause: error });
  }
  throw error;
}
