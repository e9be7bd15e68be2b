/**
 * The real Collector, Jaeger, Prometheus and Loki on free loopback ports, with the configuration of `deploy/`.
 *
 * @module
 */
import { join } from "node:path";
import { freePort } from "../../tools/servers/port.ts";
import { startProcess } from "../../tools/servers/process.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { backendProgram } from "./install.ts";

/** Where `deploy/` lies. */
export const DEPLOY = join(import.meta.dirname ?? ".", "..", "..", "deploy");

/** The backends; disposing of them ends all four. */
export interface Backends extends AsyncDisposable {
  /** Base address for `OTLP_ENDPOINT`. */
  readonly otlpUrl: string;
  readonly jaegerUrl: string;
  readonly prometheusUrl: string;
  readonly lokiUrl: string;
}

// Loki takes 12 s on a quiet machine.
const READY_DEADLINE_MS = 90_000;

/** How the Collector samples. */
export interface BackendsOptions {
  /** Variables of `deploy/otel-collector/tail-sampling.yaml`; left out = it passes on what it gets. */
  readonly tailSampling?: Readonly<Record<"DECISION_WAIT" | "SLOW_MS" | "SAMPLE_PERCENT", string>>;
}

/** Starts all four; returns when each says that it is ready. */
export async function startBackends({ tailSampling }: BackendsOptions = {}): Promise<Backends> {
  await using started = new AsyncDisposableStack();
  const start = async (
    name: "otelcol" | "jaeger" | "prometheus" | "loki",
    readyLine: RegExp,
    args: readonly string[],
    env: Record<string, string>,
  ) => {
    const command = backendProgram(name);
    const options = { command, args, env, readyLine, readyDeadlineMs: READY_DEADLINE_MS };
    started.use(await startProcess(options));
  };
  const folder = await dataDir("backends");
  const local = () => `127.0.0.1:${freePort()}`;
  const [otlp, jaeger, jaegerOtlp, prometheus, loki] = [local(), local(), local(), local(), local()] as const;
  const collector = { OTLP_HTTP_LISTEN: otlp, OTLP_GRPC_LISTEN: local(), HEALTH_LISTEN: local() };
  const collectorConfigs = ["config.yaml", ...tailSampling ? ["tail-sampling.yaml"] : []]
    .map((file) => `${DEPLOY}/otel-collector/${file}`);
  await Promise.all([
    start("jaeger", /Everything is ready/, ["--config", `${DEPLOY}/jaeger/config.yaml`], {
      JAEGER_OTLP_LISTEN: jaegerOtlp,
      JAEGER_QUERY_LISTEN: jaeger,
      JAEGER_QUERY_GRPC_LISTEN: local(),
      JAEGER_HEALTH_LISTEN: local(),
      OTEL_TRACES_SAMPLER: "always_off",
    }),
    start("prometheus", /Server is ready to receive web requests/, [
      `--config.file=${await fasterPrometheus(folder)}`,
      `--storage.tsdb.path=${folder}/tsdb`,
      `--web.listen-address=${prometheus}`,
      "--web.enable-otlp-receiver",
      "--query.lookback-delta=45s",
    ], {}),
    start("loki", /Loki started/, [
      `-config.file=${DEPLOY}/loki/loki.yaml`,
      "-config.expand-env=true",
      "-log.level=info", // or it does not say that it has started
    ], {
      LOKI_HOST: "127.0.0.1",
      LOKI_PORT: loki.split(":")[1] ?? "",
      LOKI_DATA: `${folder}/loki`,
    }),
    start("otelcol", /Everything is ready/, collectorConfigs.flatMap((file) => ["--config", file]), {
      ...collector,
      ...tailSampling,
      SELF_METRICS_HOST: "127.0.0.1",
      SELF_METRICS_PORT: String(freePort()),
      JAEGER_ENDPOINT: jaegerOtlp,
      PROMETHEUS_URL: `http://${prometheus}`,
      LOKI_URL: `http://${loki}`,
    }),
  ]);
  const owned = started.move();
  return {
    otlpUrl: `http://${otlp}`,
    jaegerUrl: `http://${jaeger}`,
    prometheusUrl: `http://${prometheus}`,
    lokiUrl: `http://${loki}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The shipped configuration and rules, but evaluated every second: no test waits 15 s for a recording rule. */
async function fasterPrometheus(folder: string): Promise<string> {
  const source = `${DEPLOY}/prometheus`;
  await Deno.mkdir(`${folder}/rules`);
  for (const file of ["prometheus.yml", "rules/recording.yml", "rules/alerts.yml"]) {
    const text = await Deno.readTextFile(`${source}/${file}`);
    await Deno.writeTextFile(`${folder}/${file}`, text.replaceAll("interval: 15s", "interval: 1s"));
  }
  return `${folder}/prometheus.yml`;
}
