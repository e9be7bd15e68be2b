/**
 * The API's output when it is ready: its address, and commands to try.
 *
 * @module
 */
import type { Config } from "../runtime/settings/config.ts";
import type { World } from "../runtime/world.ts";

/** The demo's SKU, and its units in an empty folder. */
export const demo = { sku: "SKU_123", units: 1000 } as const;

/** Lines on standard output. Each `curl` line works once, unchanged. */
export function banner(config: Config, addr: Deno.Addr, pid: number, world: World): string {
  const start = (where: string) => `Holdfast listens on ${where} (pid ${pid}, ${config.store.kind})`;
  if (!("hostname" in addr)) return start(`a ${addr.transport} socket`);
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const base = `http://${host}:${addr.port}`;
  const fresh = world.uuid().slice(0, 8);
  const access = config.access.kind === "tokens" ? ` -H "authorization: Bearer $TOKEN"` : "";
  const post = (path: string, body: unknown) =>
    `curl -s${access} -H 'content-type: application/json' -d '${JSON.stringify(body)}' ${base}${path}`;
  const deduct = { sku: demo.sku, user_id: `user-${fresh}`, order_id: `order-${fresh}`, amount: 1 };
  const adjust = { adjustment_id: `first-${fresh}`, delta: demo.units, reason: "first delivery" };
  const hasStock = config.store.kind === "embedded" && config.store.demoStock;
  return [
    start(base),
    ...hasStock ? [] : [post(`/api/v1/inventory/${demo.sku}/adjustments`, adjust)],
    post("/api/v1/inventory/deduct", deduct),
  ].join("\n");
}
