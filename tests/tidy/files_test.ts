import assert from "node:assert/strict";
import { codeOnly, commentsOf, ignoredBy, isTestCode, withoutComments } from "./files.ts";
import { file } from "./judge.ts";

Deno.test("a text is separated from its comments", () => {
  const source = 'const a = "http://x"; // off\n/* off */ const b = `${"//"}`;';
  assert.equal(withoutComments(source), 'const a = "http://x"; \n const b = `${"//"}`;');
  assert.equal(codeOnly(source), 'const a = ""; \n const b = "";');
  assert.deepEqual(commentsOf(file("a.ts", source)), ["off", "off"]);
  assert.deepEqual(commentsOf(file("a.lua", "--[=[ head ]=]\nlocal a = 1 -- why\n")), ["why"]);
});

Deno.test("what .gitignore names is left out", () => {
  const ignored = ignoredBy("/data/\nnode_modules/\n*.log\n");
  assert.deepEqual(["data", "node_modules", "a.log", ".git"].filter(ignored).length, 4);
  assert.ok(!ignored("src") && !ignored("catalog.ts"));
  assert.ok(isTestCode("src/http/app_test.ts") && isTestCode("bench/x.ts") && !isTestCode("src/latest.ts"));
});
