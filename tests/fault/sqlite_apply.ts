/** Applies a batch to an embedded ledger and kills itself at one statement: the process of `sqlite_steps_test.ts`. */
import { openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { RemoteEngine } from "../../src/ledger/sqlite/remote_engine.ts";
import { realWorld } from "../../src/runtime/world.ts";

const { folder, step, moment, batch } = JSON.parse(Deno.args[0] ?? "");
const { query } = RemoteEngine.prototype;
let statements = -1; // not counted yet

async function die(): Promise<never> {
  Deno.kill(Deno.pid, "SIGKILL");
  return await new Promise(() => {});
}

// One statement at a time: pipelined ones are done in the thread before this one could die between two of them.
let turn: Promise<unknown> = Promise.resolve();
RemoteEngine.prototype.query = function (this: RemoteEngine, text, params) {
  const running = turn.then(async () => {
    const isHere = statements >= 0 && statements++ === step;
    if (isHere && moment === "before") await die();
    const rows = await query.call(this, text, params);
    if (isHere) await die();
    return rows;
  });
  turn = running.catch(() => {});
  return running;
} as typeof query;

const ledger = await openSqliteLedger({ folder, namespace: "inventory", world: realWorld });
await ledger.prepare(1);
const shard = await ledger.lease(0);
statements = 0;
const result = await shard?.apply([batch]);
statements = -1;
await ledger.close();
Deno.exit(result?.kind === "applied" ? 0 : 1);
