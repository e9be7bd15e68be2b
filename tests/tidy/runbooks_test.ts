import assert from "node:assert/strict";
import { commandFragments, runbookCommands, untestedCommands } from "./runbooks.ts";

const text =
  "# P\n\n## Look first\n\n1. `deno task inventory\nstatus`, `README.md`\n\n### Do\n\n`curl http://<api>/`\n";

Deno.test("runbook commands: a section without a state, and a state without commands, are found", () => {
  assert.deepEqual(runbookCommands(text), [
    { section: "Look first", command: "deno task inventory status" },
    { section: "Do", command: "curl http://<api>/" },
  ]);
  const page = { path: "docs/operate/P.md", text };
  assert.deepEqual(untestedCommands([page], { P: ["Do", "Do not"] }), [
    "No test runs the commands of P: Look first",
    "P: Do not has no commands to run",
  ]);
});

Deno.test("runbook commands: part of a command is found", () => {
  const page = { path: "docs/operate/P.md", text: "`ACL LOG` and `redis-cli ACL LOG`" };
  assert.deepEqual(commandFragments(page), [
    "docs/operate/P.md has 'ACL LOG', which no shell runs as it stands",
  ]);
});
