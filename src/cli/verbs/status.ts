/**
 * `status`: the state of every shard.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import { exits } from "../context/failure.ts";
import { allShards, type CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

interface ShardProgress {
  readonly shard: number;
  readonly seq: number;
  readonly deadLetters: number;
  readonly compensations: number;
  readonly holder: string | null;
}

/** A lease is an advisory lock: first key the schema's oid, second the shard. */
const progressSql = `
  select
    c.shard, c.seq,
    (select count(*) from dead_letters d where d.shard = c.shard and d.closed_at is null) as "deadLetters",
    (select count(*) from compensations o where o.shard = c.shard and o.done_at is null) as compensations,
    (select a.application_name
     from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.objid = c.shard::oid
       and l.database = (select oid from pg_database where datname = current_database())
       and l.classid = (select oid from pg_namespace where nspname = current_schema())
     limit 1) as holder
  from log_cursor c order by c.shard`;

/**
 * Prints one row per shard. `writes` is "yes", or the code with which the server refuses them: OOM, NOREPLICAS, MISCONF,
 * READONLY. Returns 1 when a shard cannot sell.
 */
export async function status(context: CliContext, terminal: Terminal): Promise<number> {
  const control = await context.control();
  const hasLedger = context.config.store.kind === "redis" && context.config.store.databaseUrl !== null;
  const isNew = hasLedger && !await hasTables(context);
  const progress = hasLedger && !isNew
    ? await (await context.database()).query<ShardProgress>(progressSql)
    : [];
  const rows = await Promise.all(
    allShards(context).map(async (shard) => {
      const view = await control.inspect(shard);
      const inLedger = progress.find((row) => row.shard === shard);
      return {
        shard,
        armed: view.armed ? "yes" : "no",
        writes: view.refusal === "" ? "yes" : view.refusal.split(" ", 1)[0] ?? "",
        epoch: view.position.epoch,
        head: view.position.seq,
        applied: view.applied,
        cursor: inLedger?.seq ?? null,
        // The cursor was read before the head, so a lag may be outdated; never the reverse.
        lag: inLedger ? Math.max(0, view.position.seq - inLedger.seq) : null,
        skus: view.skus,
        differences: view.reconciled?.differences ?? null,
        reconciled: view.reconciled && view.reconciled.atMs > 0
          ? new Date(view.reconciled.atMs).toISOString()
          : null,
        dead_letters: inLedger?.deadLetters ?? null,
        compensations: inLedger?.compensations ?? null,
        lease: inLedger?.holder ?? null,
      };
    }),
  );
  terminal.result({ shards: rows.map((row) => ({ ...row, armed: row.armed === "yes" })) }, table(rows));
  if (!hasLedger) terminal.note("DATABASE_URL is not set: the ledger's columns are empty");
  if (isNew) {
    terminal.note("The ledger has no tables yet: a worker creates them at its first start");
  }
  return rows.every(({ armed, writes }) => armed === "yes" && writes === "yes") ? exits.ok : exits.failed;
}

/** Whether a worker has ever started on this database. */
async function hasTables(context: CliContext): Promise<boolean> {
  const [found] = await (await context.database()).query<{ exists: boolean }>(
    (await loadStatements()).find_tables,
  );
  return found?.exists ?? false;
}
