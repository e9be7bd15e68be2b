import assert from "node:assert/strict";
import { file, judges } from "./judge.ts";
import { goneNames, goneWords, unknownTerms } from "./words.ts";

Deno.test("a document that uses a word which is gone is found, code and names of tests are not", () => {
  judges(goneWords, {
    fine: [
      file("docs/a.md", "The batcher, `lane: a test`, “whoever” and [x](lane.md).\n\n```sh\nbooks\n```\n"),
      file("CHANGELOG.md", "- What the lane did."),
      file("src/a.ts", "/** The lane. */"),
    ],
    broken: [
      file("docs/a.md", "Two lanes."),
      file("README.md", "Whoever asks."),
      file("docs/a.md", "The events are booked."),
      file("docs/a.md", "It is read by\nway of a topic."),
    ],
  });
});

Deno.test("a name that is gone from the source is found", () => {
  judges(goneNames, {
    fine: [
      file("src/a.ts", "const batcher = new Batcher(lines, Benchmark);"),
      file("a.md", "Lane"),
      file("src/ledger/postgres/sql/migrations/0001_a.sql", "-- what is booked"),
      file("src/worker/acknowledger.ts", "{ head, booked: applied.seq }"),
    ],
    broken: [
      file("src/a.ts", "new Lane()"),
      file("tests/a.ts", "// a KafkaPlace"),
      file("lua/a.lua", "-- the journey of a command"),
      file("src/a.ts", "const books = 1;"),
      file("src/worker/acknowledger.ts", "{ head, booked: 1 }"),
    ],
  });
});

Deno.test("a replacement that the glossary lacks is found", () => {
  const all = "| batcher | a |\n| command timings | b |\n| request record | c |\n| export queue | d |\n" +
    "| replicas | e |\n| peers | f |\n| ledger | g |\n| apply | h |\n| active, suspended | i |\n| baseline | j |\n";
  assert.deepEqual(unknownTerms(all), []);
  assert.deepEqual(unknownTerms(all.replace("| peers |", "| crew |")), ["docs/glossary.md lacks 'peers'"]);
});
