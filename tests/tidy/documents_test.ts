import assert from "node:assert/strict";
import {
  brokenRecords,
  deadAnchors,
  deadReferences,
  goneFileNames,
  goneLogLines,
  missingTests,
  namedTests,
  settingsDrift,
  tooLongFrontPage,
  unknownTasks,
  untestedFailures,
} from "./documents.ts";
import { file, judges } from "./judge.ts";

Deno.test("a settings table that drifted is found", () => {
  const host = { name: "HOST", default: "127.0.0.1", meaning: "address" };
  const url = { name: "URL", default: null, meaning: "where" };
  const table = (...rows: string[]) =>
    [
      "## Settings",
      "",
      "| name | default | meaning |",
      "|---|---|---|",
      ...rows,
      "",
      "## Next",
      "| x | y | z |",
    ]
      .join("\n");
  const right = ["| `HOST` | `127.0.0.1` | address |", "| `URL` | unset | where |"] as const;
  assert.deepEqual(settingsDrift(table(...right), [host, url]), []);
  assert.equal(settingsDrift(table(right[0]), [host, url]).length, 1, "a row is missing");
  assert.equal(settingsDrift(table(...right), [host]).length, 1, "a row too many");
  assert.equal(settingsDrift(table(right[0], "| `URL` | `x` | where |"), [host, url]).length, 2, "a default");
  assert.equal(settingsDrift(table(right[0], "| `URL` | unset | y |"), [host, url]).length, 2, "a meaning");
});

Deno.test("a test that is named and missing is found", () => {
  const failures =
    "## Redis\n\nIt says `503`.\n\nTests:\n\n- `redis: it works`\n- `sells`\n\n## Power\n\nNone.\n";
  const names = namedTests(failures);
  assert.equal(untestedFailures(failures).length, 1, "a failure without a test");
  assert.deepEqual(names, ["redis: it works", "sells"]);
  const tests = [
    file("a_test.ts", "Deno.test(`${flavour}: it works`, run);"),
    file("suite.ts", 'test(\n  "sells", run);'),
  ];
  assert.deepEqual(missingTests([...names, "memory store: sells"], tests), []);
  assert.equal(missingTests(["it works", "sells it", "memory store: works"], tests).length, 3);
  const off = file("a_test.ts", '// Deno.test("sells", run);\nre.test("sells");');
  assert.equal(missingTests(["sells"], [off]).length, 1);
});

Deno.test("a document that leads nowhere is found", () => {
  const paths = new Set(["src/a.ts", "docs/adr/0001-x.md", "README.md"]);
  judges((one) => deadReferences(one, paths), {
    fine: [
      file("README.md", "[x](docs/adr/0001-x.md) `src/a.ts` `src/` [y](https://x.org) [z](#part)"),
      file("docs/adr/0001-x.md", "[x](../../README.md#top)"),
      file("README.md", "```\n[x](gone.md)\n```"),
    ],
    broken: [file("README.md", "[x](gone.md)"), file("README.md", "`src/b.ts`"), file("README.md", "`lua/`")],
  });
  judges((one) => goneFileNames(one, paths), {
    fine: [file("src/b.ts", "// see `a.ts`"), file("README.md", "`a.ts`"), file("src/b.ts", "`log.append`")],
    broken: [file("src/b.ts", "// see `gone.ts`"), file("lua/a.lua", "-- `gone.lua`")],
  });
  judges((one) => goneLogLines(one, [file("src/b.ts", 'logger.warn("shard armed")')]), {
    fine: [file("README.md", "It logs\n`shard\narmed`."), file("README.md", "in the log `topic`")],
    broken: [file("README.md", "the log line `shard gone`"), file("README.md", "logs `armed`")],
  });
  judges((one) => unknownTasks(one, ["serve"]), {
    fine: [file("README.md", "deno task serve")],
    broken: [file("README.md", "npx -y deno task fly")],
  });
});

Deno.test("a heading that is not there and a front page that is too long are found", () => {
  const target = file("docs/b.md", "# Title\n\n## Numbers are missing\n");
  judges((one) => deadAnchors(one, [one, target]), {
    fine: [
      file("docs/a.md", "# A b\n\n[x](b.md#numbers-are-missing) [y](#a-b) [z](https://x.org/#gone)"),
      file("docs/a.ts", "[x](b.md#gone)"),
    ],
    broken: [file("docs/a.md", "[x](b.md#gone)"), file("docs/a.md", "[x](#gone)")],
  });
  assert.deepEqual(tooLongFrontPage("x\n".repeat(130)), []);
  assert.equal(tooLongFrontPage("x\n".repeat(131)).length, 1);
});

Deno.test("a decision record without its parts, its status or its row of the index is found", () => {
  const parts = "## Context\n\n## Decision\n\n## Measured\n\n## Consequences\n\n## What would change it\n";
  const whole = `# 2. Title\n\nStatus: accepted, 2026-11-28\n\n${parts}`;
  const record = (text: string, path = "docs/adr/0002-title.md") => file(path, text);
  const row = "| 2 | [Title](0002-title.md) | accepted | 2026-11-28 |";
  const index = (...rows: string[]) =>
    file("docs/adr/README.md", ["# Decisions", "", "| number |", "|---|", ...rows, ""].join("\n"));
  const right = index("| 1 | merged into [2](0002-title.md) |", row);
  assert.deepEqual(brokenRecords([record(whole), right]), []);
  assert.equal(brokenRecords([record(whole), index(row)]).length, 1, "a number is missing");
  assert.equal(brokenRecords([record(whole), index("| 1 | merged |")]).length, 1, "no row");
  assert.equal(brokenRecords([record(whole.replace("## Measured\n", "")), right]).length, 1);
  assert.equal(brokenRecords([record(whole.replace("accepted", "proposed")), right]).length, 2, "no status");
  assert.equal(brokenRecords([record(whole.replace("# 2.", "# 3.")), right]).length, 1, "another number");
});
