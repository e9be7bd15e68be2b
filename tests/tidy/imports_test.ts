import assert from "node:assert/strict";
import { askingTheWorld, folderCycles, forbiddenImports } from "./imports.ts";
import { file, judges } from "./judge.ts";

Deno.test("an import against the rule is found, however it is written", () => {
  const importing = (from: string) => `import { x } from "${from}";`;
  judges(forbiddenImports, {
    fine: [
      file("src/http/app.ts", importing("../decide/service.ts")),
      file("src/http/app.ts", importing("hono")),
      file("src/log/relay.ts", `// import { x } from "../redis/store.ts";`),
      file("src/redis/control.ts", importing("./connection.ts")),
      file("main.ts", importing("./src/redis/store.ts")),
      file("src/compose/stores.ts", importing("../redis/store.ts")),
      file("src/cli/verbs/verify.ts", importing("../../ledger/postgres/statements.ts")),
      file("tools/checker/log.ts", importing("./record.ts")),
      file("bench/a_bench.ts", importing("../src/ledger/postgres/server.ts")),
      file("src/http/a_test.ts", importing("../decide/memory/store.ts")),
    ],
    broken: [
      // A port and its adapters.
      file("src/http/app.ts", `const x = await import("../decide/memory/store.ts");`),
      file("src/worker/balancer.ts", importing("../redis/control.ts")),
      file("src/decide/store.ts", importing("../redis/store.ts")),
      file("src/decide/shard_control.ts", `export * from "./memory/store.ts";`),
      file("src/ledger/ledger.ts", importing("./postgres/server.ts")),
      file("src/ledger/database.ts", `import "./sqlite/ledger.ts";`),
      file("src/redis/store.ts", importing("../decide/memory/decide.ts")),
      // Processes, tests, the client and packages.
      file("src/compose/demo.ts", importing("../../main.ts")),
      file("worker.ts", importing("./main.ts")),
      file("src/http/app.ts", importing("../../tools/servers/redis.ts")),
      file("src/http/app.ts", importing("./scripted_test.ts")),
      file("client/src/client.ts", importing("../../src/domain/event.ts")),
      file("src/decide/batcher.ts", importing("ioredis")),
      file("tools/checker/log.ts", importing("../../src/domain/event.ts")),
      file("tools/checker/log.ts", importing("../servers/wait.ts")),
      file("tools/checker/log.ts", importing("postgres")),
      file("src/ledger/postgres/batch.ts", importing("postgres")),
    ],
  });
});

Deno.test("a cycle of folders is found, with the imports that close it", () => {
  const files = [
    file("src/a/one.ts", `import "../b/two.ts";`),
    file("src/b/two.ts", `import "../b/c/three.ts";`),
    file("src/b/c/three.ts", "export const x = 1;"),
  ];
  assert.deepEqual(folderCycles(files), []);
  const back = file("src/b/c/three.ts", `import type { X } from "../../a/one.ts";`);
  assert.deepEqual(folderCycles([...files.slice(0, 2), back]), [
    "src/a -> src/b -> src/b/c -> src/a: src/a/one.ts imports src/b/two.ts; src/b/two.ts imports src/b/c/three.ts; " +
    "src/b/c/three.ts imports src/a/one.ts",
  ]);
});

Deno.test("asking the world past its owner is found", () => {
  const asking = [
    "Deno.env.get('X')",
    "Date.now()",
    "new Date()",
    "performance.now()",
    "setTimeout(f, 1)",
    "setInterval(f, 1)",
    "AbortSignal.timeout(1)",
    "Math.random()",
    "crypto.randomUUID()",
    "crypto.getRandomValues(a)",
    "`${Date.now()}`",
  ];
  judges(askingTheWorld, {
    fine: [
      file("src/runtime/settings/environment.ts", "Deno.env.get(name)"),
      file("src/runtime/world.ts", "Date.now(); setTimeout(f, 1); Math.random()"),
      file("src/a.ts", "// Date.now()\nnew Date(ms); socket.setTimeout(0); world.now()"),
      file("tests/a.ts", "Date.now()"),
      file("client/src/defaults.ts", "setTimeout(f, 1); Math.random()"),
      file("src/live/script.ts", "setTimeout(f, 1)"),
    ],
    broken: [
      ...asking.map((code) => file("src/decide/batcher.ts", code)),
      file("main.ts", "Deno.env.get(name)"),
      file("src/runtime/world.ts", "Deno.env.get(name)"),
      file("src/runtime/settings/config.ts", "Date.now()"),
      file("client/src/defaults.ts", "Date.now()"),
      file("client/src/defaults.ts", "crypto.randomUUID()"),
      file("client/src/client.ts", "setTimeout(f, 1)"),
      file("client/src/retry.ts", "Math.random()"),
    ],
  });
});
