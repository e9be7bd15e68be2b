import assert from "node:assert/strict";
import plugin from "./function_length.ts";

const ofLines = (lines: number) => `function f() {\n${"  g();\n".repeat(lines - 2)}}\n`;

Deno.test("a function of 71 lines is found, one of 70 is not", () => {
  const found = (path: string, lines: number) => Deno.lint.runPlugin(plugin, path, ofLines(lines)).length;
  assert.deepEqual([found("/x/src/a.ts", 70), found("/x/src/a.ts", 71)], [0, 1]);
  assert.equal(found("/x/tests/contract/a_suite.ts", 300), 0, "an exception");
});

Deno.test("arrow functions and methods count, and those within them", () => {
  const arrow = `const f = () => {\n${"  g();\n".repeat(70)}};\n`;
  const method = `class A {\n  m() {\n${"    g();\n".repeat(70)}  }\n}\n`;
  for (const text of [arrow, method]) {
    assert.equal(Deno.lint.runPlugin(plugin, "/x/src/a.ts", text).length, 1);
  }
});
