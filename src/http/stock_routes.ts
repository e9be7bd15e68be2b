/**
 * `/api/v1/inventory/:sku`: look at one SKU, and change how many units it has.
 *
 * @module
 */
import type { Adjust } from "../inventory/command.ts";
import { answerAdjust, answerStock } from "./answer.ts";
import type { Edge, Route } from "./edge.ts";
import { fingerprint } from "./fingerprint.ts";
import { type AdjustBody, parseAdjust, parseSku } from "./parse.ts";
import { rawPath, readJson, traceparentOf } from "./request.ts";
import { type Checked, respond } from "./response.ts";

/** `GET /api/v1/inventory/:sku`. */
export function readStock({ inventory, access, world }: Edge): Route {
  return async (request) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    const sku = skuInPath(request);
    if (sku.kind === "refused") return respond(sku.answer);
    const outcome = await inventory.submit({ kind: "stock", sku: sku.value });
    return respond(answerStock(outcome, inventory.shardOf(sku.value), world.now()));
  };
}

/** `POST /api/v1/inventory/:sku/adjustments`. */
export function adjustStock({ inventory, access, world }: Edge): Route {
  return async (request) => {
    const caller = access.admit(request, "admin");
    if (caller.kind === "refused") return respond(caller.answer);
    const sku = skuInPath(request);
    if (sku.kind === "refused") return respond(sku.answer);
    const json = await readJson(request);
    if (json.kind === "refused") return respond(json.answer);
    const asked = parseAdjust(json.value);
    if (asked.kind === "refused") return respond(asked.answer);
    const command = toCommand(sku.value, asked.value, caller.value.name, traceparentOf(request));
    return respond(answerAdjust(await inventory.submit(command), sku.value, asked.value, world.now()));
  };
}

/** `/api/v1/inventory/<sku>/…`: the segment as it was sent, because a strict decoding must see it so. */
function skuInPath(request: Request): Checked<string> {
  return parseSku(rawPath(request).split("/")[4] ?? "");
}

function toCommand(sku: string, asked: AdjustBody, actor: string, traceparent: string): Adjust {
  return {
    kind: "adjust",
    adjustmentId: asked.adjustmentId,
    sku,
    delta: asked.delta,
    reason: asked.reason,
    reference: asked.reference,
    // Reason and reference are not part of it: a retry may word them anew.
    fingerprint: fingerprint("adjust", "", [{ sku, amount: asked.delta }]),
    actor,
    traceparent,
  };
}
