/**
 * A load whose every order and answer is recorded, with the ledger as the witness: a history for the checker.
 *
 *     deno run -A bench/history.ts --seconds=5 --file=history.jsonl
 *     deno task check-history history.jsonl
 *
 * 1,000 units for 64 connections, 5 % of the requests repetitions. `--kill=API|Redis|worker|PostgreSQL` kills a process
 * in the middle, and starts it again; Redis writes its file with fsync.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it did: that is its purpose
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { readLedger } from "../tests/system/ledger_audit.ts";
import { HistoryRecorder } from "../tests/system/recorder.ts";
import { checkHistory } from "../tools/checker/checker.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { runOpenLoop } from "./clients/open_loop.ts";
import { openStoppableRun, targetOf } from "./experiment.ts";
import { startHoldfast } from "./systems/holdfast.ts";
import type { System } from "./systems/system.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "5" },
    stock: { type: "string", default: "100" },
    kill: { type: "string", default: "" },
    file: { type: "string", default: "" },
  },
});
const answeredDeadlineMs = 60_000;
/** How long an order without an answer may still take effect: REQUEST_TIMEOUT_MS. */
const effectMs = 2_000;

/** Kills a process in the middle of the load and starts it again. */
async function disturb(system: System, part: string, seconds: number): Promise<void> {
  if (part === "") return;
  const victim = system.parts[part];
  if (!victim) throw new TypeError(`--kill must be one of ${Object.keys(system.parts)}: it is '${part}'`);
  await sleep(seconds * 400);
  await victim.kill();
  await sleep(500);
  await victim.start();
}

async function record(file: string): Promise<HistoryRecorder> {
  const history = new HistoryRecorder();
  for (const line of (await Deno.readTextFile(file)).split("\n").filter(Boolean)) {
    const { orderId, userId, sku, calledMs, returnedMs, status, replayed, body } = JSON.parse(line);
    const heard = { status: status === 0 ? 599 : status, replayed, body };
    history.noteDeduct({ orderId, userId, sku, amount: 1 }, { calledMs, returnedMs }, heard);
  }
  return history;
}

const folder = await openStoppableRun();
try {
  const skus = 10;
  await using system = await startHoldfast(
    { stock: Number(asked.stock), skus, before: "", hasFsync: true },
    { hasWorker: true },
  );
  const historyFile = `${await dataDir("history")}/orders`;
  const seconds = Number(asked.seconds);
  const [report] = await Promise.all([
    runOpenLoop({ target: targetOf(system), connections: 64, seconds, skus, retries: 5, historyFile }),
    disturb(system, asked.kill, seconds),
  ]);
  if (report.failed > 0) await sleep(effectMs);
  await waitFor(async () => await system.sold() >= 0, { deadlineMs: answeredDeadlineMs, what: "the API" });
  await system.settled();
  const history = await record(historyFile);
  const ledger = await readLedger(
    { databaseUrl: system.databaseUrl ?? "", namespace: "inventory" },
    new Map(),
  );
  const lines = [...history.lines(ledger)];
  if (asked.file !== "") await Deno.writeTextFile(asked.file, `${lines.join("\n")}\n`);
  const { violations, declaredLosses } = checkHistory(lines);
  console.log(`${JSON.stringify(report.results)}, failed ${report.failed}; ${lines.length} lines of history`);
  for (const { rule, message } of violations.slice(0, 10)) console.error(`${rule}: ${message}`);
  for (const loss of declaredLosses.slice(0, 10)) console.error(`declared lost: ${loss}`);
  console.log(violations.length === 0 ? "every rule holds" : `${violations.length} VIOLATIONS`);
  if (violations.length > 0) Deno.exitCode = 1;
} finally {
  await folder.close();
}
