/**
 * A sale while PostgreSQL is away for so long that `BACKLOG_MAX` is reached: what is refused, and the way out.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service } from "../system/stack.ts";
import { headOf } from "./fault_probe.ts";
import { Sale } from "./sale.ts";
import { isLong, trial } from "./trial.ts";

const STEP_DEADLINE_MS = 60_000;
/** Reached after about a second with two buyers, and the long one after half a minute. */
const BACKLOG_MAX = isLong ? 1_000 : 50;
const REFUSED_FOR_MS = isLong ? 60_000 : 1_000;
/** PostgreSQL starts, and a worker that waited for it asks again after seconds. */
const BACK_MAX_MS = 20_000;
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000", BACKLOG_MAX: String(BACKLOG_MAX) };

Deno.test("backlog: a sale at BACKLOG_MAX hears backlog_full and nothing else, and goes on by itself when PostgreSQL is back", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  await using _worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    ...ENV,
  });
  await using api = await Service.start("api", { REDIS_URL: redis.url, ...ENV });
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: ["one", "two"] });
  const before = sale.unavailable;
  const refused = () => (sale.unavailable.backlog_full ?? 0) - (before.backlog_full ?? 0);
  let detail = "";
  await trial(sale, "PostgreSQL", {
    what: `away until ${BACKLOG_MAX} events wait (BACKLOG_MAX), and ${REFUSED_FOR_MS / 1000} s more`,
    async strike() {
      await postgres.kill();
      const [struckMs, head] = [performance.now(), await headOf(redis)];
      await waitFor(() => refused() > 0, { deadlineMs: STEP_DEADLINE_MS, what: "a sale that is refused" });
      const seconds = ((performance.now() - struckMs) / 1000).toFixed(1);
      detail = `${await headOf(redis) - head} events were sold in ${seconds} s after it`;
    },
    forMs: REFUSED_FOR_MS,
    async heal() {
      const [count, startMs] = [refused(), performance.now()];
      await postgres.start();
      await sale.allSell(STEP_DEADLINE_MS);
      const sellingMs = Math.round(performance.now() - startMs);
      detail +=
        `; ${count} orders heard backlog_full; every SKU was sold ${sellingMs} ms after PostgreSQL was ` +
        "started again";
    },
    detail: () => detail,
    acceptedMin: isLong ? 0.005 : 0.1,
    pauseMaxMs: REFUSED_FOR_MS + BACK_MAX_MS,
  });
  const { backlog_full: _, ...others } = sale.unavailable;
  const { backlog_full: __, ...othersBefore } = before;
  assert.deepEqual(others, othersBefore, "refusals for another reason");
});
