/**
 * A real OpenTelemetry Collector between a system and a sink that reads and discards.
 *
 * @module
 */
import { backendProgram, installBackends } from "../../tests/backends/install.ts";
import { freePort } from "../../tools/servers/port.ts";
import { startProcess } from "../../tools/servers/process.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";

/** A Collector that takes OTLP over HTTP. */
export interface Collector extends AsyncDisposable {
  readonly url: string;
  /** Bytes that it has sent on. */
  readonly bytes: () => number;
}

/** Builds the Collector if it is missing, and starts it. */
export async function startCollector(): Promise<Collector> {
  // deno-lint-ignore no-console -- a build takes minutes
  await installBackends(console.error, ["otelcol"]);
  await using started = new AsyncDisposableStack();
  let bytes = 0;
  const sink = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    bytes += (await request.bytes()).length;
    return new Response();
  });
  started.defer(() => sink.shutdown());
  const port = freePort();
  const config = `${await dataDir("collector")}/config.yaml`;
  await Deno.writeTextFile(config, configOf(port, sink.addr.port));
  started.use(
    await startProcess({
      command: backendProgram("otelcol"),
      args: ["--config", config],
      readyLine: /Everything is ready/,
    }),
  );
  const owned = started.move();
  return {
    url: `http://127.0.0.1:${port}`,
    bytes: () => bytes,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function configOf(port: number, sinkPort: number): string {
  const pipeline = "{ receivers: [otlp], processors: [batch], exporters: [otlphttp] }";
  return `receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:${port}" } } }
processors:
  batch: {}
exporters:
  otlphttp: { endpoint: "http://127.0.0.1:${sinkPort}" }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: ${pipeline}
    metrics: ${pipeline}
    logs: ${pipeline}
`;
}
