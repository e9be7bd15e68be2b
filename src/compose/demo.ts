/**
 * The demo stock of an empty system.
 *
 * @module
 */
import type { Inventory } from "../decide/service.ts";
import { demo } from "./banner.ts";

/** Creates the demo's SKU. */
export async function stockDemo(inventory: Inventory): Promise<void> {
  await inventory.submit({
    kind: "adjust",
    adjustmentId: "demo-stock",
    sku: demo.sku,
    delta: demo.units,
    reason: "demo",
    reference: "",
    actor: "",
    traceparent: "",
  });
}
