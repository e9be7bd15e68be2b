/**
 * The embedded default and its disk: a power cut, a full disk, a disk that is read-only, a damaged file, a folder of an
 * older version. Disks are mounted by root; the power cut is one at block level (see `disk.ts`).
 */
import assert from "node:assert/strict";
import { blockDisk, memoryDisk, remount } from "../../tools/servers/disk.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { assertLedger, readFolder, stockOf, stockUp, unitsOf } from "./ledger_audit.ts";
import { LoadClients } from "./load_clients.ts";
import { planOrders, runSeed } from "./plan.ts";
import { runToEnd, startEmbedded } from "./stack.ts";

const skus = ["disk-1", "disk-2"];
const initial = new Map(skus.map((sku) => [sku, 1_000_000]));

/** Writes a file until nothing more fits. */
async function fill(folder: string): Promise<void> {
  using file = await Deno.open(`${folder}/filler`, { create: true, write: true });
  const page = new Uint8Array(4096);
  try {
    for (;;) await file.write(page);
  } catch {
    // The disk is full.
  }
}

Deno.test("a power cut in the middle of a rush, three times: every answered order is on the disk", async () => {
  await using disk = await blockDisk(128);
  await using service = await startEmbedded(`${disk.folder}/data`);
  const history = await stockUp(service, initial);
  const orders = planOrders({ seed: runSeed(), orders: 6000, skus, users: 3000 });
  await using clients = new LoadClients({ orders, urls: [service.url], connections: 32, history });
  const rush = clients.rush();
  for (const share of [0.2, 0.5, 0.8]) {
    await clients.answeredAtLeast(share * orders.length);
    service.freeze();
    const heard = [...clients.heard];
    await using left = await disk.cutPower();
    service.thaw();
    await using restarted = await startEmbedded(`${left.folder}/data`);
    restarted.history.incomplete("the copy of a disk has orders that were sent to the process that wrote it");
    const { lines, movements, stock } = await readFolder(`${left.folder}/data`);
    const applied = new Map(lines.map((line) => [line.order_id, line]));
    const lost = orders.filter(({ orderId }, i) => heard[i]?.kind === "accepted" && !applied.has(orderId));
    assert.deepEqual(lost, []);
    for (const { sku, available } of stock) {
      const sum = movements.filter((row) => row.sku === sku).reduce((units, { delta }) => units + delta, 0);
      assert.equal(sum, available, sku);
    }
    const order = { sku: "disk-1", user_id: "after", order_id: "after", amount: 1 };
    assert.equal((await restarted.post("/api/v1/inventory/deduct", order)).status, 200);
    assert.equal((await restarted.stop()).code, 0);
  }
  await rush;
  await clients.settle();
  const stock = unitsOf(await stockOf(service, skus));
  assert.equal((await service.stop()).code, 0);
  assertLedger(
    { orders, heard: clients.heard, initial, left: stock, history },
    await readFolder(`${disk.folder}/data`),
  );
});

Deno.test("a full disk ends the embedded default in one line, and with more space every answered order is there", async () => {
  await using disk = await memoryDisk(1200);
  await using service = await startEmbedded(disk.folder);
  const history = await stockUp(service, initial);
  const orders = planOrders({ seed: runSeed(), orders: 6000, skus, users: 3000 });
  await using clients = new LoadClients({ orders, urls: [service.url], connections: 32, history });
  const rush = clients.rush();
  const { code, said } = await service.ended();
  assert.equal(code, 1);
  assert.match(
    said,
    /^Stopped: database or disk is full: free space on the disk of DATA_DIR and start again.*$/m,
  );
  await remount(disk, "size=65536k");
  await service.restart();
  await rush;
  await clients.settle();
  const left = unitsOf(await stockOf(service, skus));
  assert.equal((await service.stop()).code, 0);
  assertLedger({ orders, heard: clients.heard, initial, left, history }, await readFolder(disk.folder));
});

Deno.test("no ledger is made on a full disk, in one line", async () => {
  await using disk = await memoryDisk(1200);
  await fill(disk.folder);
  const { code, said } = await runToEnd("api", { DATA_DIR: disk.folder });
  assert.equal(code, 1);
  assert.match(said, /^Cannot open '.*': .*: free space on the disk of DATA_DIR.*$/);
});

Deno.test("a disk that is read-only ends the start in one line", async () => {
  await using disk = await memoryDisk(4096);
  const service = await startEmbedded(disk.folder);
  assert.equal((await service.stop()).code, 0);
  await remount(disk, "ro");
  const { code, said } = await runToEnd("api", { DATA_DIR: disk.folder });
  assert.equal(code, 2);
  assert.match(said, /^Cannot use DATA_DIR '.*' as it cannot be made or written: set DATA_DIR .*$/);
});

Deno.test("a damaged file is refused in one line that says what to do, and is not touched", async () => {
  const folder = await dataDir("damaged");
  const service = await startEmbedded(folder, { DEMO_STOCK: "1" });
  assert.equal((await service.stop()).code, 0);
  const file = `${folder}/ledger.db`;
  const whole = await Deno.readFile(file);
  const damages: Readonly<Record<string, (bytes: Uint8Array) => void>> = {
    header: (bytes) => bytes.fill(1, 0, 100),
    pages: (bytes) => bytes.fill(1, 4096),
    root: (bytes) => bytes.fill(1, 100, 4096),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const bytes = whole.slice();
    damage(bytes);
    await Deno.writeFile(file, bytes);
    const { code, said } = await runToEnd("api", { DATA_DIR: folder });
    assert.equal(code, 1, `${what}: ${said}`);
    assert.match(
      said,
      /^.*(malformed|not a database): start on a backup: a folder that holds nothing but .*$/,
      what,
    );
    assert.deepEqual(await Deno.readFile(file), bytes, what);
  }
});

Deno.test("a folder of a version before SQLite is refused in one line that names the last version that reads it", async () => {
  const folder = await dataDir("older");
  await Deno.mkdir(`${folder}/ledger`);
  await Deno.writeTextFile(`${folder}/ledger/PG_VERSION`, "17\n");
  const { code, said } = await runToEnd("api", { DATA_DIR: folder });
  assert.equal(code, 2);
  assert.match(
    said,
    /^Cannot use DATA_DIR '.*' as an older Holdfast wrote it: Holdfast 1\.0\.0 is the last version .*$/,
  );
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["holdfast.lock", "ledger"]);
});

Deno.test("a file of a newer version, and one of another NAMESPACE, are refused in one line", async () => {
  const folder = await dataDir("newer");
  const service = await startEmbedded(folder, { DEMO_STOCK: "1" });
  assert.equal((await service.stop()).code, 0);
  const other = await runToEnd("api", { DATA_DIR: folder, NAMESPACE: "other" });
  assert.equal(other.code, 2);
  assert.match(
    other.said,
    /^Cannot use NAMESPACE=other as this ledger was created for inventory: set NAMESPACE=.*$/,
  );
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(`${folder}/ledger.db`);
  database.exec("insert into migrations (id, name) values (9999, 'from the future')");
  database.close();
  const { code, said } = await runToEnd("api", { DATA_DIR: folder });
  assert.equal(code, 2);
  assert.match(said, /^Cannot use this ledger as a newer Holdfast created it: .* version 9999, .*$/);
});

Deno.test("every promise is kept; a file that is removed while it is open ends the embedded default in one line", async () => {
  const folder = await dataDir("removed");
  await using service = await startEmbedded(folder, { DEMO_STOCK: "1" });
  assert.deepEqual((await service.get("/readyz")).body.promises_off, []);
  await Deno.remove(`${folder}/ledger.db`);
  const { code, said } = await service.ended();
  assert.equal(code, 1);
  assert.match(
    said,
    /^Stopped: .*ledger\.db was removed or replaced while it was open: .* start on a backup$/m,
  );
});
