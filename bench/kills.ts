/**
 * What each system loses when one of its processes is killed: `kill -9` in the middle of a load, a start one second
 * later, and at the end a comparison of every accepted order with the orders that the system still knows.
 *
 *     deno run -A bench/kills.ts
 *     deno run -A bench/kills.ts --systems=holdfast,gin --seconds=6 --json=kills.json
 *
 * A killed process leaves what it wrote to the operating system: that an order survives a power cut is not shown here.
 * PostgreSQL and SQLite write with fsync; Redis is measured without a file, and with fsync before each answer.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { setTimeout as sleep } from "node:timers/promises";
import { dataDir } from "../tools/servers/run_folder.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { runOpenLoop } from "./clients/open_loop.ts";
import { plenty, readOptions, runExperiment, type Start, targetOf } from "./experiment.ts";
import { type Kill, longestPauseMs, lostOrders } from "./losses.ts";

const options = readOptions(
  Deno.args,
  { systems: "holdfast,embedded,gin,postgres,postgres-batcher,sqlite", seconds: 6, rounds: 1 },
);
const killAfterMs = 2_000;
const startAfterMs = 1_000;
const settledDeadlineMs = 120_000;

async function killOne(start: Start, system: string, part: string, hasFsync: boolean): Promise<Kill> {
  await using running = await start(system, { hasFsync });
  const acceptedFile = `${await dataDir("accepted")}/ids`;
  const [victim] = Object.entries(running.parts).filter(([name]) => name === part).map(([, value]) => value);
  if (!victim) throw new TypeError(`${system} has no ${part}`);
  const load = runOpenLoop({
    target: targetOf(running),
    connections: 64,
    seconds: options.seconds,
    skus: 100,
    acceptedFile,
  });
  await sleep(killAfterMs);
  await victim.kill();
  await sleep(startAfterMs);
  await victim.start();
  const report = await load;
  const ids = (await Deno.readTextFile(acceptedFile)).split("\n").filter((id) => id !== "");
  const name = part === "Redis" ? `Redis, ${hasFsync ? "file with fsync" : "no file"}` : part;
  const seen = {
    system,
    part: name,
    accepted: ids.length,
    unanswered: report.failed,
    pauseMs: longestPauseMs(report.timeline ?? [], options.seconds),
  };
  let sold = NaN;
  let broken: string | undefined;
  await waitFor(async () => (sold = await running.sold()) >= 0, {
    deadlineMs: settledDeadlineMs,
    what: `${system} to answer`,
  }).then(() => running.settled()).catch((error) => broken = String(error.message));
  const known = await running.orderIds();
  return {
    ...seen,
    lost: lostOrders(ids, known),
    stockError: known.size - sold,
    ...broken === undefined ? {} : { broken },
  };
}

await runExperiment(options, async (start) => {
  const kills: Kill[] = [];
  for (const system of options.systems) {
    const parts = await partsOf(start, system);
    for (const part of parts) {
      for (const hasFsync of part === "Redis" ? [false, true] : [false]) {
        for (let round = 0; round < options.rounds; round++) {
          const kill = await killOne(start, system, part, hasFsync);
          kills.push(kill);
          console.log(JSON.stringify(kill));
        }
      }
    }
  }
  return kills;
});

async function partsOf(start: Start, system: string): Promise<string[]> {
  await using running = await start(system, { stock: plenty });
  return Object.keys(running.parts);
}
