import {
  commentedOutCode,
  linesMax,
  machinePaths,
  skippedTests,
  tooLong,
  unmerged,
  untaggedNotes,
  wiringLinesMax,
} from "./habits.ts";
import { file, judges } from "./judge.ts";

Deno.test("a file over the limit is found, unless it is a test", () => {
  const long = "x\n".repeat(linesMax + 1);
  judges(tooLong, {
    fine: [file("src/a.ts", "x\n".repeat(linesMax)), file("tests/a.ts", long), file("README.md", long)],
    broken: [
      file("src/a.ts", long),
      file("lua/a.lua", long),
      file("src/ledger/sql/a.sql", long),
      file("main.ts", "x\n".repeat(wiringLinesMax + 1)),
      file("src/compose/a.ts", "x\n".repeat(wiringLinesMax + 1)),
    ],
  });
});

Deno.test("a note without an issue is found", () => {
  const note = "TO" + "DO";
  judges(untaggedNotes, {
    fine: [file("src/a.ts", `// ${note}(#12) more`), file("src/a.ts", `const a = "${note}";`)],
    broken: [
      file("src/a.ts", `a(); // ${note}: later`),
      file("lua/a.lua", "-- FIX" + "ME"),
      file("README.md", `${note} write this`),
    ],
  });
});

Deno.test("marks of a conflict are found, a line of signs is not", () => {
  judges(unmerged, {
    fine: [file("README.md", "Title\n=======\n"), file("a.lua", "-- <<<<<<< not at the start")],
    broken: [file("README.md", "a\n" + "<".repeat(7) + " HEAD\n"), file("a.lua", ">".repeat(7) + " a1\n")],
  });
});

Deno.test("code in a comment is found, prose is not", () => {
  const prose = [
    "// If the lease is lost, `apply(entries)` rejects; see below.",
    "// for the statement under way (2 s)",
    "/** @example\n * const a = 1;\n */",
    "// bytes = characters, for ASCII",
    "// returns to idle",
  ];
  const code = [
    "// const a = 1;",
    "// if (a) b();",
    "// for (const a of b) {",
    "// await store.close();",
    "// this.x = 1;",
    "a(); // logger.info(a);",
    '// import { a } from "./a.ts";',
    "// };",
  ];
  judges(commentedOutCode, {
    fine: [...prose.map((text) => file("a.ts", text)), file("a.lua", "-- the end of it\n-- local time")],
    broken: [
      ...code.map((text) => file("a.ts", text)),
      file("a.lua", "-- local a = 1"),
      file("a.lua", '-- redis.call("DEL", key)'),
      file("a.sql", "-- delete from stock;"),
    ],
  });
});

Deno.test("a skipped test is found, a text about one is not", () => {
  judges(skippedTests, {
    fine: [file("a_test.ts", '// ignore: true\nconst a = "ignore: true"; judge({ ignored: true });')],
    broken: [
      file("a_test.ts", 'Deno.test({ name: "a", ignore: true, fn })'),
      file("a_test.ts", 'Deno.test({ name: "a", only: true, fn })'),
      file("a_test.ts", 'Deno.test.ignore("a", fn)'),
      file("a_test.ts", 'Deno.test.only("a", fn)'),
    ],
  });
});

Deno.test("a path of one machine is found", () => {
  const at = (...parts: string[]) => ["", ...parts].join("/");
  judges(machinePaths, {
    fine: [
      file(
        "a.ts",
        '"/usr/lib/postgresql"; "../../tools/servers/shared.ts"; "https://x.org/home/a"; "api/work/x"',
      ),
    ],
    broken: [
      file("a.ts", `"${at("home", "me", "x")}"`),
      file("a.md", at("work", "main")),
      file("a.json", `"${at("Users", "me")}"`),
      file("a.ts", `"C:${"\\"}temp"`),
      file("a.md", ["..", "shared", "notes.md"].join("/")),
    ],
  });
});
