/**
 * The embedded ledger killed at every step of the transaction that applies a batch: before each statement is sent, and
 * after the last one's result. Each time the file has the whole batch or none of it, and the same batch applied again is
 * applied once.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { ledgerFile, openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { applied, entry, leased, opening, sale } from "../contract/ledger_fixture.ts";

const APPLY = fileURLToPath(new URL("sqlite_apply.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const STOCK = 100;
const SALES = 8;
const DAY_MS = 86_400_000;
/** Steps, each in a process and a folder of its own. */
const AT_ONCE = 4;
/** Rows of a ledger without the batch, and with it. */
const UNSOLD = { seq: 1, movements: 1, lines: 0, available: STOCK };
const SOLD = { seq: 1 + SALES, movements: 1 + SALES, lines: SALES, available: STOCK - SALES };

/** The first entry is in the file before a process is killed; the second is what is applied then. */
const before = entry(1, opening(1, "SKU-1", STOCK));
const batch = entry(1, ...Array.from({ length: SALES }, (_, i) => sale(i + 2, "SKU-1", STOCK - 1 - i)));

const open = (folder: string) => openSqliteLedger({ folder, namespace: "inventory", world: realWorld });

type Contents = Pick<typeof SOLD, "seq" | "available">;
const contentsIn = ({ seq, available }: Contents): Contents => ({ seq, available });

/** When a process is killed. */
type Moment = "before" | "after";

/** Applies the batch in a process that kills itself at a step. Returns whether it came to its end. */
async function applyUntil(folder: string, step: number, moment: Moment): Promise<boolean> {
  const task = JSON.stringify({ folder, step, moment, batch });
  const { signal, code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", CONFIG, APPLY, task],
    stdout: "null",
    stderr: "piped",
  }).output();
  if (signal === "SIGKILL") return false;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return true;
}

/** Rows that a batch writes, and the cursor, as any SQLite tool reads them. */
function rowsOf(folder: string): Record<string, unknown> {
  const database = new DatabaseSync(ledgerFile(folder));
  try {
    const row = database.prepare(`
      select (select seq from log_cursor) as seq, (select count(*) from movements) as movements,
        (select count(*) from order_lines) as lines, (select available from stock) as available`).get();
    return { ...row };
  } finally {
    database.close();
  }
}

/** The number of the last event, and the units left. A ledger that is not whole fails. */
async function contentsOf(ledger: Ledger, shard: ShardLedger): Promise<Contents> {
  for await (const fault of ledger.prove(0, 30 * DAY_MS, () => {})) assert.fail(JSON.stringify(fault));
  const [row] = await shard.stock("", 10);
  return { seq: (await shard.cursor()).seq, available: row?.available ?? -1 };
}

/** What the file has, and what it has when the batch is applied again. */
async function applyAgain(folder: string): Promise<{ readonly found: Contents; readonly again: Contents }> {
  const ledger = await open(folder);
  try {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    const found = await contentsOf(ledger, shard);
    applied(await shard.apply([batch]));
    return { found, again: await contentsOf(ledger, shard) };
  } finally {
    await ledger.close();
  }
}

Deno.test("SQLite: a process that is killed before each statement of a batch, and after the last, leaves all of it or nothing", async () => {
  const root = await Deno.makeTempDir({ prefix: "holdfast-steps-" });
  try {
    const ledger = await open(`${root}/filled`);
    await ledger.prepare(1);
    applied(await (await leased(ledger)).apply([before]));
    await ledger.close();
    const strike = async (step: number, moment: Moment) => {
      const folder = `${root}/${moment}-${step}`;
      await copyFolder(`${root}/filled`, folder);
      return await assertWhole(folder, step, moment);
    };
    // After a statement and before the next one the file is the same: nothing is written between them.
    let kills = 0;
    for (let areKilled = true; areKilled;) {
      const steps = Array.from({ length: AT_ONCE }, (_, i) => strike(kills + i, "before"));
      const killed = (await Promise.all(steps)).filter((isKilled) => isKilled).length;
      areKilled = killed === AT_ONCE;
      kills += killed;
    }
    assert.ok(kills > 5, `only ${kills} steps: the statements were not counted`);
    assert.ok(await strike(kills - 1, "after"), "the last statement was not the last");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

/** A ledger that nothing has open. */
async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
}

/** Applies the batch until a step, looks at the file, and applies it again. Returns whether the process was killed. */
async function assertWhole(folder: string, step: number, moment: Moment): Promise<boolean> {
  const what = `${moment} step ${step}`;
  const isKilled = !await applyUntil(folder, step, moment);
  const rows = rowsOf(folder);
  assert.deepEqual(rows, rows.seq === 1 ? UNSOLD : SOLD, what);
  const { found, again } = await applyAgain(folder);
  const isWhole = found.seq === SOLD.seq;
  assert.deepEqual(found, contentsIn(isWhole ? SOLD : UNSOLD), what);
  assert.equal(rows.seq, found.seq, what);
  assert.ok(isWhole || isKilled, "a process that came to its end applied the batch");
  assert.deepEqual(again, contentsIn(SOLD), what);
  assert.deepEqual(rowsOf(folder), SOLD, what);
  return isKilled;
}
