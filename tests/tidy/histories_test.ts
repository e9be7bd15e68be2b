import assert from "node:assert/strict";
import { readRepository } from "./files.ts";
import { exceptionDrift } from "./histories.ts";
import { file } from "./judge.ts";

Deno.test("orders of the system tests are recorded and checked, or the checker's document says why not", () => {
  const files = readRepository(new URL("../..", import.meta.url));
  const document = files.find(({ path }) => path === "tools/checker/README.md");
  assert.deepEqual(exceptionDrift(document?.text ?? "", files), []);
});

Deno.test("a way past the recorder, and a history that is not checked, must be in the table with the reason", () => {
  const table = (row: string) => `## Exceptions\n\n| test | what | reason |\n|---|---|---|\n${row}\n`;
  const none = table("");
  const past = [
    'await fetch(url, { method: "POST" });',
    'const init = { method: "PUT" }; await fetch(url, init);',
    "await wire.send(`POST /api/v1/orders HTTP/1.1`);",
    'import { decide, deduct } from "../contract/store_suite.ts";',
    "await service.submit(order);",
    'import { openFixture, sell } from "./worker_fixture.ts";',
  ];
  for (const text of past) {
    assert.equal(exceptionDrift(none, [file("tests/fault/a_test.ts", text)]).length, 1, text);
    assert.deepEqual(
      exceptionDrift(table("| `tests/fault/a_test.ts` | not recorded | It is raw. |"), [
        file("tests/fault/a_test.ts", text),
      ]),
      [],
    );
  }
  const recorded = ["await api.post(path, order);", "await fetch(url);", "await sell(api);"];
  for (const text of recorded) {
    assert.deepEqual(exceptionDrift(none, [file("tests/net/a_test.ts", text)]), [], text);
  }
  const left = file("tests/net/a_test.ts", 'api.history.unchecked("rows are changed");');
  assert.equal(exceptionDrift(none, [left]).length, 1);
  assert.equal(
    exceptionDrift(table("| `tests/net/a_test.ts` | unchecked | other |"), [left]).length,
    2,
    "another reason",
  );
  assert.deepEqual(
    exceptionDrift(table("| `tests/net/a_test.ts` | unchecked | rows are changed |"), [left]),
    [],
  );
  assert.equal(
    exceptionDrift(table("| `tests/net/a_test.ts` | not recorded | It is raw. |"), []).length,
    1,
    "a row of nothing",
  );
});
