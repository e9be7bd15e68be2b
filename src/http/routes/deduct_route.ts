/**
 * `POST /api/v1/inventory/deduct`: sell units of one SKU. The hot path.
 *
 * @module
 */
import type { Connection, Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { parseDeduct } from "../read/parse.ts";
import { readJson, spanOf } from "../read/request.ts";
import { respond } from "../write/response.ts";
import { admitSale, answerSale, attemptOf, decideSale } from "./sell.ts";

/** Handles a deduct. `failed` makes the response to an error, here because another async function costs 0.2 µs. */
export function deduct(
  dependencies: RouteDependencies,
  failed: (error: unknown, connection: Connection) => Response,
): Route {
  return async (request, connection) => {
    try {
      const caller = dependencies.access.admit(request, "deduct");
      if (caller.kind === "refused") return respond(caller.answer);
      const json = await readJson(request, dependencies);
      if (json.kind === "refused") return respond(json.answer);
      const asked = parseDeduct(json.value);
      if (asked.kind === "refused") return respond(asked.answer);
      const origin = { actor: caller.value.name, traceparent: spanOf(request, connection) };
      const attempt = attemptOf(dependencies, request, connection, origin);
      const admitted = admitSale(dependencies, asked.value, attempt);
      if (admitted.kind === "refused") return respond(admitted.answer);
      // As sell(), without its promise.
      const outcome = await decideSale(dependencies, admitted, attempt);
      return respond(answerSale(dependencies, admitted, outcome));
    } catch (error) {
      return failed(error, connection);
    }
  };
}
