/**
 * The batch endpoint against single orders, in turns on one Holdfast without its worker: CPU of API and Redis an order.
 *
 *     deno run -A bench/batches.ts
 *     deno run -A bench/batches.ts --size=100 --rounds=3 --seconds=4 --json=batches.json
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { runOpenLoop } from "./clients/open_loop.ts";
import { readOptions, runExperiment, targetOf } from "./experiment.ts";
import { describe, frontUs, measure, type Row, spreadOf } from "./measure.ts";

const options = readOptions(
  Deno.args,
  { systems: "no-worker", seconds: 4, rounds: 3 },
  { size: 100, connections: 64 },
);
const { size = 0, connections = 0 } = options.numbers;

await runExperiment(options, async (start) => {
  await using system = await start("no-worker");
  const load = { target: targetOf(system), connections, seconds: options.seconds, skus: 100 };
  const single = () => measure(system, () => runOpenLoop(load), { byAnswers: false, openMax: 0 });
  const batches = () =>
    measure(
      system,
      () => runOpenLoop({ ...load, target: `${load.target}/batch`, batch: size, connections: 4 }),
      { byAnswers: false, openMax: 0 },
    );
  await single();
  await batches(); // both compile what is hot
  const rows: { single: Row; batch: Row }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const row = { single: await single(), batch: await batches() };
    rows.push(row);
    console.log(`single ${describe(row.single)}\nbatch  ${describe(row.batch)}`);
  }
  const ratio = spreadOf(rows.map(({ single, batch }) => frontUs(batch) / frontUs(single)));
  console.log(
    `CPU of API + Redis an order, batches of ${size} against single orders: ${JSON.stringify(ratio)}`,
  );
  return { rows, ratio };
});
