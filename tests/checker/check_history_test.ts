/** `deno task check-history` as a process: its exit codes, and what it prints. */
import assert from "node:assert/strict";
import { randomHistory } from "./random_history.ts";

const MAIN = new URL("../../tools/checker/main.ts", import.meta.url).pathname;

async function checkHistory(args: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-read", MAIN, ...args],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(60_000),
  }).output();
  return { code, out: new TextDecoder().decode(stdout), error: new TextDecoder().decode(stderr) };
}

/** Writes lines to a file that is removed at the end. */
function fileOf(lines: readonly string[]): { path: string } & Disposable {
  const path = Deno.makeTempFileSync({ prefix: "holdfast_history_" });
  Deno.writeTextFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

Deno.test("check-history: 0 for a correct history, 1 for a broken one, 2 for what cannot be checked", async () => {
  const lines = randomHistory(7, 400).map((line) => JSON.stringify(line));
  using correct = fileOf(lines);
  const isMovement = (line: string) => line.includes(`"kind":"deduct","id"`);
  const dropped = lines.findIndex(isMovement);
  using broken = fileOf(lines.filter((_, index) => index !== dropped));
  using bad = fileOf([lines[0] ?? "", "nothing"]);

  const passed = await checkHistory([correct.path]);
  assert.equal(passed.code, 0, passed.out + passed.error);
  assert.match(passed.out, /^400 operations: \d+ accepted .*\n.*\nevery rule holds\n$/);

  const failed = await checkHistory([broken.path]);
  assert.equal(failed.code, 1, failed.out + failed.error);
  assert.match(failed.out, /^gap: shard \d: numbers (\d+) to \1 are missing$/m);
  assert.match(failed.out, /\d+ violations\n$/);

  const refused = await checkHistory([bad.path]);
  assert.deepEqual([refused.code, refused.out], [2, ""]);
  assert.match(refused.error, /: line 2: a line must be JSON: it is "nothing"\n$/);
  const missing = await checkHistory(["/no/such/history"]);
  assert.deepEqual([missing.code, missing.out], [2, ""]);
  assert.doesNotMatch(missing.error, /^\s+at /m);
  assert.equal((await checkHistory([])).code, 2);
  const help = await checkHistory(["--help"]);
  assert.deepEqual([help.code, /Exit codes: 0 every rule holds/.test(help.out)], [0, true]);
});

Deno.test("check-history: a declared loss is named and counted, and is no violation; one that is not declared is", async () => {
  const stock = { shard: 0, id: "s", sku: "a", delta: 5, reserved_delta: 0, available: 5, reserved: 0 };
  const answer = { kind: "accepted", seq: 2, available: [3], replayed: false };
  const order = { call: "deduct", id: "o5", user_id: "u", lines: [{ sku: "a", units: 2 }], answer };
  const lost = { type: "lost", shard: 0, from_seq: 1, to_seq: 2, at_ms: 3 };
  const fileWith = (more: readonly object[]) =>
    fileOf(
      [
        { type: "history", version: 1, complete: true, refusal_age_max_ms: 0 },
        { type: "operation", ...order, called_ms: 1, returned_ms: 2 },
        { type: "movement", seq: 1, kind: "create", ...stock },
        ...[...more, { type: "cursor", shard: 0, seq: 1 + more.length }],
      ].map((line) => JSON.stringify(line)),
    );
  using declared = fileWith([lost]);
  using undeclared = fileWith([]);
  const named = await checkHistory([declared.path]);
  assert.equal(named.code, 0, named.out + named.error);
  assert.match(named.out, /^declared lost: deduct of o5, number 2, 2 units of a\n/);
  assert.match(named.out, /\nevery rule holds, and 1 loss is declared\n$/);
  const failed = await checkHistory([undeclared.path]);
  assert.equal(failed.code, 1, failed.out + failed.error);
  assert.match(failed.out, /^lost_accepted: deduct of o5, a: accepted as number 2, .*\n/);
});
