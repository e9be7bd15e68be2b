/**
 * `POST /api/v1/inventory/deduct`: sell units of one SKU. The path that all the speed is for.
 *
 * @module
 */
import type { Deduct } from "../inventory/command.ts";
import { answerDeduct } from "./answer.ts";
import type { Edge, Route } from "./edge.ts";
import { fingerprint } from "./fingerprint.ts";
import { type DeductBody, parseDeduct } from "./parse.ts";
import { readJson, traceparentOf } from "./request.ts";
import { respond } from "./response.ts";

/** Handles a deduct. */
export function deduct({ inventory, access, world }: Edge): Route {
  return async (request) => {
    const caller = access.admit(request, "deduct");
    if (caller.kind === "refused") return respond(caller.answer);
    const json = await readJson(request);
    if (json.kind === "refused") return respond(json.answer);
    const asked = parseDeduct(json.value);
    if (asked.kind === "refused") return respond(asked.answer);
    const outcome = await inventory.submit(toCommand(asked.value, caller.value.name, request));
    return respond(answerDeduct(outcome, asked.value, world.now()));
  };
}

function toCommand(asked: DeductBody, actor: string, request: Request): Deduct {
  const lines = [{ sku: asked.sku, amount: asked.amount }];
  return {
    kind: "deduct",
    orderId: asked.orderId,
    userId: asked.userId,
    lines,
    fingerprint: fingerprint("deduct", asked.userId, lines),
    firstAttempt: request.headers.get("order-attempt") === "1",
    actor,
    traceparent: traceparentOf(request),
  };
}
