/**
 * What nginx costs an order: none, one before two API processes over plain HTTP, over TLS on connections that are kept,
 * and with a TLS handshake an order, as buyers of a flash sale come. Each twice, in turn.
 *
 *     deno task bench bench/nginx_cost.ts
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { startNginx } from "../tools/servers/nginx.ts";
import { startRedis } from "../tools/servers/redis.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { sharedPostgres } from "../tools/servers/shared.ts";
import { stockUp } from "../tests/system/ledger_audit.ts";
import { startStack } from "../tests/system/stack.ts";
import { cpuMs, runOha, writeBodies } from "../tools/load/oha.ts";

const orders = 20_000;
const connections = 128;
const rounds = 2;
const skus = Array.from({ length: 100 }, (_, i) => `sku-${i}`);

await using redis = await startRedis();
const databaseUrl = await sharedPostgres().freshDatabase();
const env = { USER_LIMIT_MS: "0", LOG_LEVEL: "warn", TRUST_PROXY: "1" };
await using stack = await startStack({ redisUrl: redis.url, databaseUrl, apis: 2, env });
await using nginx = await startNginx({ apis: stack.apis.map(({ url }) => url) });
await stockUp(stack.api, new Map(skus.map((sku) => [sku, 10_000_000])));
const folder = await dataDir("clients");
await Deno.writeTextFile(`${folder}/ca.pem`, nginx.certificate);

const ways: readonly { way: string; url: string; args: readonly string[] }[] = [
  { way: "no nginx, one API", url: stack.api.url, args: [] },
  { way: "plain HTTP", url: nginx.url, args: [] },
  { way: "TLS, connections kept", url: nginx.tlsUrl, args: ["--cacert", `${folder}/ca.pem`] },
  {
    way: "TLS, a connection an order",
    url: nginx.tlsUrl,
    args: ["--cacert", `${folder}/ca.pem`, "--disable-keepalive"],
  },
];
const apiPids = stack.apis.map(({ pid }) => pid);

async function total(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const ms of await Promise.all(pids.map(cpuMs))) sum += ms ?? NaN;
  return sum;
}

let run = 0;
async function sell({ url, args }: (typeof ways)[number]) {
  const bodies = `${folder}/bodies-${++run}`;
  await writeBodies(bodies, { run: `run-${run}`, orders, skus });
  const before = [await total(nginx.workerPids), await total(apiPids)] as const;
  const report = await runOha({ url, orders, connections, bodies, args });
  const after = [await total(nginx.workerPids), await total(apiPids)] as const;
  const accepted = report.statusCodeDistribution["200"] ?? 0;
  if (accepted < orders) console.log(report.statusCodeDistribution, report.errorDistribution);
  const perOrder = after.map((ms, i) => ((ms - (before[i] ?? NaN)) * 1000 / accepted).toFixed(0));
  return { rate: Math.round(accepted / report.summary.total), perOrder, p99: report.metrics.latency_ms.p99 };
}

for (const way of ways) await sell(way);
console.log("| buyers come by | orders/s | CPU of nginx, µs an order | of the APIs | p99, ms |");
for (let round = 0; round < rounds; round++) {
  for (const way of ways) {
    const { rate, perOrder, p99 } = await sell(way);
    console.log(`| ${way.way} | ${rate} | ${perOrder.join(" | ")} | ${Math.round(p99)} |`);
  }
}
