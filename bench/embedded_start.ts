/**
 * How long the embedded default takes until it sells: on an empty folder, and on one with 100,000 orders.
 *
 *     deno run -P=tools bench/embedded_start.ts [--orders=100000] [--rounds=3]
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort } from "../tools/servers/port.ts";
import { startProcess } from "../tools/servers/process.ts";
import { openRun } from "../tools/servers/run_folder.ts";

const { values } = parseArgs({
  options: { orders: { type: "string", default: "100000" }, rounds: { type: "string", default: "3" } },
});
const here = fileURLToPath(new URL("..", import.meta.url));
const perBatch = 1000;
const json = { "content-type": "application/json" };

async function start(folder: string) {
  const port = freePort();
  const beganMs = performance.now();
  const process = await startProcess({
    command: Deno.execPath(),
    args: ["task", "serve"],
    cwd: here,
    env: { DATA_DIR: folder, PORT: String(port), USER_LIMIT_MS: "0", LOG_LEVEL: "warn" },
    readyLine: /Holdfast listens/,
  });
  return { process, ms: performance.now() - beganMs, url: `http://127.0.0.1:${port}` };
}

async function post(url: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${url}/api/v1/inventory/${path}`, {
    method: "POST",
    headers: json,
    body: JSON.stringify(body),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${path} got ${response.status}`);
}

async function fill(folder: string, orders: number): Promise<void> {
  const { process, url } = await start(folder);
  await post(url, "SKU_1/adjustments", { adjustment_id: "stock", delta: orders });
  for (let sold = 0; sold < orders; sold += perBatch) {
    const items = Array.from({ length: Math.min(perBatch, orders - sold) }, (_, i) => {
      return { sku: "SKU_1", user_id: `user-${sold + i}`, order_id: `order-${sold + i}`, amount: 1 };
    });
    await post(url, "deduct/batch", { items });
  }
  await process.stop(10_000);
}

async function measure(title: string, folder: string): Promise<void> {
  const { process, ms } = await start(folder);
  console.log(`${title}: sells after ${Math.round(ms)} ms`);
  await process.stop(10_000);
}

const run = await openRun();
try {
  const full = `${run.dir}/full`;
  await Deno.mkdir(full);
  await fill(full, Number(values.orders));
  for (let round = 0; round < Number(values.rounds); round++) {
    const empty = `${run.dir}/empty-${round}`;
    await Deno.mkdir(empty);
    await measure("an empty folder", empty);
    await measure(`${values.orders} orders`, full);
  }
} finally {
  await run.close();
}
