/**
 * `deno task stack`: the full stack on this machine, without containers, until Ctrl-C.
 *
 *     deno task stack            nginx on 8080, or on a free port when that is taken
 *
 * Servers that are missing are installed as the tests do. With the telemetry backends built (`deno task test:backends`
 * builds them) a Collector, Jaeger, Prometheus and Loki run, too. Everything lies in one folder, which is removed at
 * the end: it is for looking on and trying faults, not for keeping.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { backendsAreBuilt } from "../tests/backends/install.ts";
import { startBackends } from "../tests/backends/backends.ts";
import { installServers } from "./servers/install.ts";
import { freePort } from "./servers/port.ts";
import { listenToProcesses } from "./servers/process.ts";
import { openRun } from "./servers/run_folder.ts";
import { startFullStack } from "../tests/system/full_stack.ts";

const WANTED_PORT = 8080;
const PROGRAMS: Readonly<Record<string, string>> = {
  "main.ts": "api",
  "worker.ts": "worker",
  "java": "kafka",
};
const NAME_WIDTH = 22;

function port(): number {
  try {
    Deno.listen({ hostname: "127.0.0.1", port: WANTED_PORT }).close();
    return WANTED_PORT;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return freePort();
  }
}

/** Resolves at the first Ctrl-C or SIGTERM; the second finds everything on its way out. */
function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => resolve());
    }
  });
}

/** Curl lines that work as they stand: the stock is empty at first. */
function lines(url: string): string {
  const fresh = crypto.randomUUID().slice(0, 8);
  const post = (path: string, body: unknown) =>
    `curl -s -H 'content-type: application/json' -d '${
      JSON.stringify(body)
    }' ${url}/api/v1/inventory/${path}`;
  return [
    post("SKU_123/adjustments", { adjustment_id: `first-${fresh}`, delta: 1000, reason: "first delivery" }),
    post("deduct", { sku: "SKU_123", user_id: `user-${fresh}`, order_id: `order-${fresh}`, amount: 1 }),
  ].join("\n");
}

const stopped = stopRequest();
const run = await openRun();
let code = 0;
try {
  listenToProcesses((name, pid, line) =>
    console.log(`${`${PROGRAMS[name] ?? name.replace(/-v.*/, "")} ${pid}`.padEnd(NAME_WIDTH)}│ ${line}`)
  );
  await installServers(["redis", "postgres", "kafka", "nginx"], console.log);
  await using started = new AsyncDisposableStack();
  const isWatched = backendsAreBuilt();
  const backends = isWatched ? started.use(await startBackends()) : undefined;
  const fullStack = started.use(
    await startFullStack({ port: port(), env: backends ? { OTLP_ENDPOINT: backends.otlpUrl } : {} }),
  );
  const { nginx, stack, kafka, databaseUrl } = fullStack;
  console.log(`
Holdfast listens on ${nginx.url} and ${nginx.tlsUrl} (nginx; pid ${Deno.pid} ends all of it)
  APIs        ${stack.apis.map(({ url, pid }) => `${url} (pid ${pid})`).join(", ")}
  workers     ${stack.workers.map(({ pid }) => `pid ${pid}`).join(", ")}
  Redis       ${fullStack.cluster.urls.join(",")}
  Kafka       ${kafka.broker}
  PostgreSQL  ${databaseUrl}
  telemetry   ${
    backends
      ? `Jaeger ${backends.jaegerUrl}, Prometheus ${backends.prometheusUrl}, Loki ${backends.lokiUrl}`
      : "off: 'deno task test:backends' builds a Collector and what is behind it"
  }

${lines(nginx.url)}
`);
  await stopped;
  console.log("Stopping");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  code = 1;
} finally {
  await run.close();
}
Deno.exit(code);
