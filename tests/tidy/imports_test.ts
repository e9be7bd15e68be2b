import { askingTheWorld, forbiddenImports } from "./imports.ts";
import { file, judges } from "./judge.ts";

Deno.test("an import against the rule is found, however it is written", () => {
  const importing = (from: string) => `import { x } from "${from}";`;
  judges(forbiddenImports, {
    fine: [
      file("src/http/app.ts", importing("../inventory/service.ts")),
      file("src/http/app.ts", importing("hono")),
      file("src/log/codec.ts", `// import { x } from "../ledger/ledger.ts";`),
      file("src/inventory/redis/control.ts", importing("../../redis/connection.ts")),
      file("main.ts", importing("./src/inventory/redis/store.ts")),
      file("bench/a_bench.ts", importing("../src/ledger/postgres.ts")),
      file("src/http/a_test.ts", importing("../inventory/memory/store.ts")),
    ],
    broken: [
      file("src/http/app.ts", importing("../ledger/ledger.ts")),
      file("src/http/app.ts", importing("../log/log.ts")),
      file("src/http/app.ts", `const x = await import("../inventory/memory/store.ts");`),
      file("src/inventory/service.ts", importing("../http/app.ts")),
      file("src/log/log.ts", importing("../ledger/ledger.ts")),
      file("src/ledger/booking.ts", importing("../inventory/store.ts")),
      file("src/worker/worker.ts", importing("../http/app.ts")),
      file("src/worker/worker.ts", importing("../inventory/redis/control.ts")),
      file("src/world.ts", importing("./config.ts")),
      // A port and its adapters.
      file("src/inventory/store.ts", importing("./redis/store.ts")),
      file("src/inventory/shard_control.ts", `export * from "./memory/store.ts";`),
      file("src/log/log.ts", importing("./redis_stream.ts")),
      file("src/ledger/ledger.ts", importing("./postgres.ts")),
      file("src/ledger/database.ts", `import "./pglite.ts";`),
      file("src/inventory/redis/store.ts", importing("../memory/shard.ts")),
      file("src/ledger/pglite.ts", importing("./postgres_options.ts")),
      // Processes, tests and packages.
      file("src/ops/demo.ts", importing("../../main.ts")),
      file("worker.ts", importing("./main.ts")),
      file("src/http/app.ts", importing("../../tests/servers/redis.ts")),
      file("src/http/app.ts", importing("./scripted_test.ts")),
      file("src/inventory/lane.ts", importing("ioredis")),
      file("src/ledger/booking.ts", importing("postgres")),
    ],
  });
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
      file("src/config_environment.ts", "Deno.env.get(name)"),
      file("src/world.ts", "Date.now(); setTimeout(f, 1); Math.random()"),
      file("src/a.ts", "// Date.now()\nnew Date(ms); socket.setTimeout(0); world.now()"),
      file("tests/a.ts", "Date.now()"),
      file("client/src/defaults.ts", "setTimeout(f, 1); Math.random()"),
      file("src/ops/live/script.ts", "setTimeout(f, 1)"),
    ],
    broken: [
      ...asking.map((code) => file("src/inventory/lane.ts", code)),
      file("main.ts", "Deno.env.get(name)"),
      file("src/world.ts", "Deno.env.get(name)"),
      file("src/config.ts", "Date.now()"),
      file("client/src/defaults.ts", "Date.now()"),
      file("client/src/defaults.ts", "crypto.randomUUID()"),
      file("client/src/client.ts", "setTimeout(f, 1)"),
      file("client/src/retry.ts", "Math.random()"),
    ],
  });
});
