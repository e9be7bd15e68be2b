/**
 * `POST /api/v1/inventory/deduct`: sell units of one SKU. The path that all the speed is for.
 *
 * @module
 */
import { answerDeduct } from "../write/answer.ts";
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type DeductBody } from "../schemas/bodies.ts";
import { parseDeduct } from "../read/parse.ts";
import { readJson, spanOf } from "../read/request.ts";
import { type Answer, respond } from "../write/response.ts";
import { type Attempt, attemptOf, sell } from "./sell.ts";

/** Handles a deduct. */
export function deduct(dependencies: RouteDependencies): Route {
  return async (request, connection) => {
    const caller = dependencies.access.admit(request, "deduct");
    if (caller.kind === "refused") return respond(caller.answer);
    const json = await readJson(request, dependencies);
    if (json.kind === "refused") return respond(json.answer);
    const asked = parseDeduct(json.value);
    if (asked.kind === "refused") return respond(asked.answer);
    const origin = { actor: caller.value.name, traceparent: spanOf(request, connection) };
    return respond(
      await sellOne(dependencies, asked.value, attemptOf(dependencies, request, connection, origin)),
    );
  };
}

/** Sells units of one SKU. */
export function sellOne(
  dependencies: RouteDependencies,
  asked: DeductBody,
  attempt: Attempt,
): Promise<Answer> {
  const { orderId, userId, sku, amount } = asked;
  const wanted = { kind: "deduct", orderId, userId, lines: [{ sku, amount }], holdMs: 0 } as const;
  return sell(dependencies, wanted, attempt, (outcome, context) => answerDeduct(outcome, asked, context));
}
