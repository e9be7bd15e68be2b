/**
 * The ledger's server: the product's SQL and its adapter's engine on a database in memory. A transaction is one event of
 * the simulation. Sessions and locks are those of PostgreSQL: a session that is silent for 3 s ends, with its locks.
 *
 * @module
 */
import { LeaseLost } from "../../src/domain/errors.ts";
import { type Connection, type Param, SqlError, type Transaction } from "../../src/ledger/database.ts";
import type { Deployment, Ledger } from "../../src/ledger/ledger.ts";
import { SqlLedger } from "../../src/ledger/sql/ledger.ts";
import { Engine } from "../../src/ledger/sqlite/engine.ts";
import { prepareSchema } from "../../src/ledger/sqlite/schema.ts";
import { loadStatements } from "../../src/ledger/sqlite/statements.ts";
import { directBackend, SimulatedBackend } from "./backend.ts";
import type { Network } from "./network.ts";
import type { Plant } from "./plants.ts";
import type { Process, Scheduler } from "./scheduler.ts";

const silentMaxMs = 3000;
const statements = await loadStatements();
/** Statements that compare times with now: that of the simulation. */
const timed: ReadonlySet<string> = new Set([
  statements.begin_basket,
  statements.read_basket,
  statements.commit_basket,
  statements.find_prepared,
  statements.end_baskets,
]);
const writes = /\b(?:insert|update|delete)\b/;

/** A session at the server. */
export interface Backend {
  readonly pid: number;
  readonly owner: Process;
  readonly locks: Set<number>;
  heardMs: number;
  running: number;
  isEnded: boolean;
}

/** A copy of all rows. */
type Copy = ReadonlyMap<string, readonly Record<string, Param>[]>;

/** The server. */
export class SimulatedLedger {
  #engine = new Engine(":memory:");
  readonly #spares: Engine[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #backends: Backend[] = [];
  #pids = 0;
  #old: Copy | undefined;
  refusesUntilMs = 0;
  /** Its address leads to the database of another deployment. */
  foreignUntilMs = 0;
  /** The next transactions are refused at their end, with these. */
  readonly conflicts: string[] = [];
  deployment: Deployment = { id: "", shards: 1 };
  readonly connection: Connection;
  /** Called when a session of a running process has been silent for too long. */
  onSilent: () => void = () => {};

  constructor(
    readonly scheduler: Scheduler,
    readonly network: Network,
    readonly plant: Plant | undefined,
    readonly shards: number,
  ) {
    this.connection = this.#open();
  }

  /** The statement that moves the cursor, when it is in a transaction of its own. */
  get plantedCursor(): string | undefined {
    return this.plant === "cursor-outside-transaction" ? statements.move_cursor : undefined;
  }

  /** Creates the schema, of the database and of those that fail-backs use. Reads files: call it before the run. */
  async prepare(failBacks: number): Promise<void> {
    for (let i = 0; i < failBacks; i++) {
      await this.#create();
      this.#spares.push(this.#engine);
      this.#engine = new Engine(":memory:");
    }
    await this.#create();
  }

  async #create(): Promise<void> {
    const claim = { id: "deployment", shards: this.shards, namespace: "inventory" };
    this.deployment = await prepareSchema(this.connection, statements, claim);
    if (this.plant === "dead-letter-skips-movement") {
      this.#engine.script("drop trigger movements_only_grow_delete; drop trigger movements_only_grow_update");
    }
  }

  /** Frees the databases. */
  close(): void {
    this.#engine.close();
    for (const spare of this.#spares) spare.close();
  }

  /** Reads at once, for invariants. */
  query<Row extends object>(text: string, params: readonly Param[] = []): Row[] {
    return this.#engine.query<Row>(text, params);
  }

  /** The port as a process sees it. */
  openFor(process: Process): Ledger {
    return new SqlLedger(new SimulatedBackend(this, process), statements);
  }

  /** Without network, for the operator and the invariants. */
  direct(): Ledger {
    return new SqlLedger(directBackend(this), statements);
  }

  /** A new session. */
  open(owner: Process): Backend {
    const { nowMs } = this.scheduler;
    const found = {
      ...{ pid: ++this.#pids, owner, locks: new Set<number>(), heardMs: nowMs },
      ...{ running: 0, isEnded: false },
    };
    this.#backends.push(found);
    return found;
  }

  /** Runs a call of a session. */
  async serve<T>(backend: Backend, run: () => T | Promise<T>): Promise<T> {
    this.#reap();
    if (backend.isEnded) throw new LeaseLost("its connection closed");
    backend.running++;
    try {
      return await run();
    } finally {
      backend.running--;
      backend.heardMs = this.scheduler.nowMs;
    }
  }

  /** Ends a session. */
  end(backend: Backend): void {
    backend.isEnded = true;
    backend.locks.clear();
  }

  /** Ends all sessions of a process, or all. */
  endAll(owner?: Process): void {
    for (const backend of this.#backends) if (!owner || backend.owner === owner) this.end(backend);
  }

  /** Takes an advisory lock. */
  lock(backend: Backend, key: number): boolean {
    if (this.#backends.some((other) => other !== backend && other.locks.has(key))) return false;
    backend.locks.add(key);
    return true;
  }

  locks(): number[] {
    return this.#backends.flatMap(({ locks }) => [...locks]);
  }

  ended(pids: readonly number[]): number[] {
    const running = new Set(this.#backends.filter(({ isEnded }) => !isEnded).map(({ pid }) => pid));
    return pids.filter((pid) => !running.has(pid));
  }

  #reap(): void {
    const { nowMs } = this.scheduler;
    for (const backend of this.#backends) {
      const isSilent = backend.running === 0 && nowMs - backend.heardMs > silentMaxMs;
      if (isSilent && backend.owner.isAlive) this.onSilent();
      if (isSilent) this.end(backend);
    }
    this.#backends = this.#backends.filter(({ isEnded }) => !isEnded);
  }

  /** Keeps a copy; a later {@link failBack} returns to it. */
  keep(): void {
    const names = this.query<{ name: string }>(
      "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
    );
    this.#old = new Map(names.map(({ name }) => [name, this.query(`select * from ${name}`)]));
  }

  /** Goes back to the copy. Every session ends. */
  async failBack(): Promise<void> {
    const [old, spare] = [this.#old, this.#spares.pop()];
    if (!old || !spare) return;
    this.endAll();
    await this.#inTurn(() => {
      this.#engine.close();
      this.#engine = spare;
      for (const [name, rows] of old) {
        spare.query(`delete from ${name}`);
        for (const row of rows) {
          const columns = Object.keys(row);
          const places = columns.map((_, i) => `?${i + 1}`).join(", ");
          spare.query(`insert into ${name} (${columns.join(", ")}) values (${places})`, Object.values(row));
        }
      }
    });
  }

  #open(): Connection {
    const query = <Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> =>
      this.#inTurn(() => {
        if (writes.test(text)) this.#mayWrite();
        return this.#run<Row>(text, params);
      });
    return {
      query,
      page: query,
      script: (text) => this.#inTurn(() => this.#engine.script(text)),
      transaction: (run) => this.#inTurn(() => this.#transact(run)),
      close: () => Promise.resolve(),
    };
  }

  #mayWrite(): void {
    if (this.refusesUntilMs > this.scheduler.nowMs) throw new SqlError("53100", "the disk is full");
  }

  async #transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const engine = this.#engine;
    this.#mayWrite();
    let isOpen = true;
    const rollback = () => {
      isOpen = false;
      engine.rollback();
      return Promise.resolve();
    };
    engine.query("begin immediate");
    try {
      const result = await run({
        query: async (text, params) => await Promise.resolve(this.#run(text, params)),
        script: async (text) => await Promise.resolve(engine.script(text)),
        rollback,
      });
      const conflict = isOpen ? this.conflicts.pop() : undefined;
      if (conflict) throw new SqlError(conflict, "could not serialize access, or a deadlock");
      if (isOpen) engine.query("commit");
      return result;
    } catch (error) {
      if (isOpen) await rollback();
      throw error;
    }
  }

  #run<Row extends object>(text: string, params: readonly Param[] = []): Row[] {
    const { foreignUntilMs, scheduler: { nowMs } } = this;
    if (foreignUntilMs > nowMs) {
      if (text === statements.read_deployment) return [{ id: "another", shards: 1 } as unknown as Row];
      throw new LeaseLost("a statement of this deployment reached another one's database");
    }
    if (text === statements.issue_epoch && this.plant === "epoch-not-raised") {
      const [known] = this.#engine.query<{ issued: number }>(
        "select issued_epoch as issued from log_cursor where shard = ?1",
        [params[0] ?? 0],
      );
      if (known && known.issued > 0) return [{ issuedEpoch: known.issued } as unknown as Row];
    }
    if (text === statements.page_dead_letters && this.plant === "rebuild-forgets-second-hold") return [];
    if (text === statements.end_baskets && this.plant === "decision-forgotten") {
      this.#engine.query("delete from baskets where decision = 'commit'");
    }
    // A recovery reads only open holds: lines that are newer than any.
    const isOpenHolds = text === statements.page_lines &&
      Number(params[3]) > this.scheduler.dateMs + 43_200_000;
    if (isOpenHolds && this.plant === "recovery-leaves-holds-open") return [];
    if (text === statements.insert_compensations && this.plant === "second-prepare-stays") {
      const of = "select seq from movements where shard = ?1 and seq = ?2 and kind = 'prepare'";
      if (this.#engine.query(of, params).length > 0) return [];
    }
    const rows = this.#engine.query<Row>(timed.has(text) ? this.#atNow(text) : text, params);
    if (text === statements.insert_dead_letter && this.plant === "dead-letter-skips-movement") {
      this.#engine.query("delete from movements where shard = ?1 and seq = ?2", params.slice(0, 2));
    }
    return rows;
  }

  #atNow(text: string): string {
    const now = new Date(this.scheduler.dateMs).toISOString().replace("T", " ").slice(0, 23);
    return text.replaceAll("'now'", `'${now}'`);
  }

  #inTurn<T>(run: () => T | Promise<T>): Promise<T> {
    this.scheduler.busy++;
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {}).then(() => this.scheduler.busy--);
    return result;
  }
}
