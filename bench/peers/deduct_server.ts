/**
 * What the peers with Holdfast's batcher share: HTTP in front, a batcher, and a store that decides batches.
 *
 * @module
 */
import { Batcher } from "../../src/decide/batcher.ts";
import type { StockStore } from "../../src/decide/store.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { realWorld } from "../../src/runtime/world.ts";

/** A deduct, with the members that the baseline has. */
interface Order {
  readonly SKU: string;
  readonly UserID: string;
  readonly OrderID: string;
  readonly Amount: number;
}

const headers = { "content-type": "application/json" };

/** Serves deducts on PORT, decided by the store. `callsMax` batches are under way at once. */
export function serveDeducts(store: StockStore, callsMax: number): void {
  const batcher = new Batcher(0, store, realWorld, {
    batchMax: 256,
    requestTimeoutMs: 2_000,
    callsMax,
    // deno-lint-ignore no-console -- this peer has no other log
    onBroken: (error) => console.error(error),
  });
  const port = Number(Deno.env.get("PORT"));
  Deno.serve({ hostname: "127.0.0.1", port }, async (request) => {
    const order = readOrder(await request.text());
    if (!order) return answer(400, { success: false, message: "invalid request" });
    const outcome = await batcher.submit({
      kind: "deduct",
      orderId: order.OrderID,
      userId: order.UserID,
      lines: [{ sku: order.SKU, amount: order.Amount }],
      hasToken: false,
      holdMs: 0,
      actor: "",
      traceparent: "",
    });
    return answerOf(outcome);
  });
}

function readOrder(body: string): Order | undefined {
  try {
    const { SKU, UserID, OrderID, Amount } = JSON.parse(body);
    const hasIds = [SKU, UserID, OrderID].every((id) => typeof id === "string" && id !== "");
    return hasIds && Number.isInteger(Amount) && Amount > 0 ? { SKU, UserID, OrderID, Amount } : undefined;
  } catch {
    return undefined;
  }
}

function answerOf(outcome: Outcome): Response {
  switch (outcome.kind) {
    case "accepted":
      return answer(
        200,
        { success: true, new_stock: outcome.newStock[0], message: "success" },
        outcome.replayed ? { "idempotency-replayed": "true" } : {},
      );
    case "insufficient":
    case "unknown_sku":
      return answer(409, { success: false, code: outcome.kind });
    default:
      return answer(503, { success: false, code: outcome.kind });
  }
}

function answer(status: number, body: unknown, more: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { ...headers, ...more } });
}
