import { ledgerFile, openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import type { Opened } from "./ledger_books.ts";
import { ledgerSuite } from "./ledger_suite.ts";
import { openByHand } from "./sqlite_dialect.ts";

ledgerSuite("SQLite", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
  const open = async (): Promise<Opened> => {
    const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
    const database = openByHand(ledgerFile(folder));
    const close = ledger.close.bind(ledger);
    ledger.close = () => close().finally(() => database.close());
    return { ledger, database };
  };
  return { open, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
});
