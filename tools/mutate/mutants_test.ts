import assert from "node:assert/strict";
import { mutantsOf } from "./mutants.ts";
import { targetOf, targets } from "./targets.ts";

const slipsIn = (path: string, text: string) =>
  mutantsOf(path, text).map(({ line, operator, after }) => `${line} ${operator}: ${after}`);

Deno.test("mutants: operators, bounds, conditions and statements of TypeScript, and nothing in comments and texts", () => {
  const text = [
    "// a < b",
    'const text = "a < b";',
    "if (a < b) return c;",
    "  this.call(a);",
    "const d = a + b;",
    "import { a } from '../b.ts';",
  ].join("\n");
  assert.deepEqual(slipsIn("src/a.ts", text), [
    "3 bound: if (a <= b) return c;",
    "3 condition: if (!!0 && a < b) return c;",
    "3 guard removed: ",
    "4 statement removed: ",
    "5 arithmetic: const d = a - b;",
  ]);
});

Deno.test("mutants: of Lua and SQL, and the rest of the file stays as it is", () => {
  assert.deepEqual(
    slipsIn("lua/a.lua", '--[=[ a < b\n a < b ]=]\nif a == b then return "a < b" end -- a < b'),
    [
      '3 equality: if a ~= b then return "a < b" end -- a < b',
      '3 condition: if false and a == b then return "a < b" end -- a < b',
    ],
  );
  assert.deepEqual(slipsIn("a.sql", "select a from b\n  where c = $1\n  and d > 1\nfor update;"), [
    "2 equality: where c <> $1",
    "3 bound: and d >= 1",
    "3 logic: or d > 1",
    "3 condition removed: ",
  ]);
  const [first = assert.fail()] = mutantsOf("a.sql", "-- a = b\nselect a = b;\n");
  assert.deepEqual([first.line, first.text], [2, "-- a = b\nselect a <> b;\n"]);
  assert.deepEqual(mutantsOf("a.md", "a < b"), []);
});

Deno.test("mutants: every target has files and tests that exist", () => {
  const exists = (path: string) =>
    Deno.statSync(new URL(`../../${path}`, import.meta.url)).isDirectory !== undefined;
  for (const { name, stages } of targets) {
    assert.ok(stages.length > 0 && stages.flatMap(({ tests }) => tests).every(exists), name);
  }
  const named = ["lua/decide.lua", "src/decide/batcher.ts", "src/log/relay.ts", "src/worker/arming.ts"].map(
    targetOf,
  );
  assert.deepEqual(named.map((target) => target?.name), ["script", "batcher", "relay", "arming"]);
  assert.equal(targetOf("lua/previous/a.lua"), undefined);
  assert.equal(targetOf("src/http/app.ts"), undefined);
});

Deno.test("mutants: every slip that is listed as equivalent can be made, and has a reason", async () => {
  const read = (path: string) => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
  const listed: { path: string; before: string; after: string; nth?: number; reason: string }[] = JSON.parse(
    await Deno.readTextFile(new URL("equivalents.json", import.meta.url)),
  );
  const gone = listed.filter(({ path, before, after, nth, reason }) =>
    reason === "" || !targetOf(path) ||
    !mutantsOf(path, read(path)).some((mutant) =>
      mutant.before === before && mutant.after === after && (nth ?? mutant.nth) === mutant.nth
    )
  );
  assert.deepEqual(gone, []);
});
