/**
 * `POST /api/v1/inventory/deduct/batch`: many deducts in one request, each decided independently.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { parseBatch, parseDeduct } from "../read/parse.ts";
import { noId, receive } from "./receive.ts";
import { batchBody } from "../read/request.ts";
import { type Answer, jsonHeaders, respond } from "../write/response.ts";
import { attemptOf, sell } from "./sell.ts";

const batchRequest = { scope: "deduct", id: noId, read: batchBody, body: parseBatch } as const;

/**
 * Handles a batch. All items are submitted before the first is decided, so they share calls to the store.
 *
 * Items cannot have a purchase token, because it is a header and valid for one order. A SKU that requires one
 * is sold by single requests.
 */
export function deductBatch(dependencies: RouteDependencies): Route {
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, batchRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { body, origin } = received.value;
    const attempt = { ...attemptOf(dependencies, request, connection, origin), purchaseToken: null };
    const answers = await Promise.all(body.map((item) => {
      const asked = parseDeduct(item);
      return asked.kind === "refused" ? asked.answer : sell(dependencies, asked.value, attempt);
    }));
    const items = answers.map(asItem);
    return respond({ status: 200, headers: jsonHeaders, body: { items } });
  };
}

/** A response as an item: status and the relevant headers become members. */
function asItem({ status, headers, body }: Answer): Record<string, unknown> {
  const { success, code = "accepted" } = body;
  const retryAfter = headers["retry-after"];
  const start = success === true
    ? { success, status, code, replayed: headers["idempotency-replayed"] === "true" }
    : { success, status, code };
  // The body's members last: to take some of them out and copy the rest costs an item 0.2 µs.
  return { ...start, ...body, ...retryAfter !== undefined && { retry_after: Number(retryAfter) } };
}
