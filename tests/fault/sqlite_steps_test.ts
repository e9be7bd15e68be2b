/**
 * The embedded ledger killed at every step of the transaction that applies a batch: before a statement is sent, and after
 * its result. Each time the file has the whole batch or none of it, and the same batch applied again is applied once.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { ledgerFile, openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { applied, entry, leased, opening, sale } from "../contract/ledger_fixture.ts";

const APPLY = fileURLToPath(new URL("sqlite_apply.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const STOCK = 100;
const SALES = 8;
const DAY_MS = 86_400_000;

/** The first entry is in the file before a process is killed; the second is what is applied then. */
const before = entry(1, opening(1, "SKU-1", STOCK));
const batch = entry(1, ...Array.from({ length: SALES }, (_, i) => sale(i + 2, "SKU-1", STOCK - 1 - i)));

const open = (folder: string) => openSqliteLedger({ folder, namespace: "inventory", world: realWorld });

/** Applies the batch in a process that kills itself at a step. Returns whether it came to its end. */
async function applyUntil(folder: string, step: number, moment: "before" | "after"): Promise<boolean> {
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
function rowsOf(folder: string): Record<string, unknown> | undefined {
  const database = new DatabaseSync(ledgerFile(folder));
  try {
    return database.prepare(`
      select (select seq from log_cursor) as seq, (select count(*) from movements) as movements,
        (select count(*) from order_lines) as lines, (select available from stock) as available`).get();
  } finally {
    database.close();
  }
}

/** What the file has: the number of the last event, and the units left. A file that is not whole fails. */
async function contentsOf(folder: string): Promise<{ readonly seq: number; readonly available: number }> {
  const ledger = await open(folder);
  try {
    await ledger.prepare(1);
    for await (const fault of ledger.prove(0, 30 * DAY_MS, () => {})) assert.fail(JSON.stringify(fault));
    const shard = await leased(ledger);
    const [row] = await shard.stock("", 10);
    return { seq: (await shard.cursor()).seq, available: row?.available ?? -1 };
  } finally {
    await ledger.close();
  }
}

async function applyAgain(folder: string): Promise<void> {
  const ledger = await open(folder);
  try {
    await ledger.prepare(1);
    applied(await (await leased(ledger)).apply([batch]));
  } finally {
    await ledger.close();
  }
}

for (const moment of ["before", "after"] as const) {
  Deno.test(`SQLite: a process that is killed ${moment} each statement of a batch leaves all of it or nothing`, async () => {
    const root = await Deno.makeTempDir({ prefix: "holdfast-steps-" });
    try {
      let kills = 0;
      for (let isKilled = true; isKilled; kills++) {
        const folder = `${root}/${kills}`;
        const ledger = await open(folder);
        await ledger.prepare(1);
        applied(await (await leased(ledger)).apply([before]));
        await ledger.close();
        isKilled = !await applyUntil(folder, kills, moment);
        const rows = { ...rowsOf(folder) };
        const sold = rows.seq === 1 ? 0 : SALES;
        assert.deepEqual(
          rows,
          { seq: 1 + sold, movements: 1 + sold, lines: sold, available: STOCK - sold },
          `step ${kills}`,
        );
        const found = await contentsOf(folder);
        const isWhole = found.seq === 1 + SALES;
        assert.deepEqual(found, isWhole ? found : { seq: 1, available: STOCK }, `step ${kills}`);
        assert.ok(isWhole || isKilled, "a process that came to its end applied the batch");
        await applyAgain(folder);
        assert.deepEqual(
          await contentsOf(folder),
          { seq: 1 + SALES, available: STOCK - SALES },
          `step ${kills}`,
        );
      }
      assert.ok(kills > 5, `only ${kills} steps: the statements were not counted`);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
}
