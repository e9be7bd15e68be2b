/**
 * The steps of every sale, deduct or basket: fair play, purchase token, decision.
 *
 * @module
 */
import type { Origin, Sale } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { answerTo } from "../write/answer.ts";
import type { Wanted } from "../read/parse.ts";
import { type Connection } from "../ports/route.ts";
import { clientAddress } from "../guard/client_address.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type RequestRecord, resultOf } from "../ports/observer.ts";
import { type Answer, withHeaders } from "../write/response.ts";
import { deploymentUnknown } from "../guard/purchase_tokens.ts";

/** Properties of a request that apply to each sale in it. */
export interface Attempt extends Origin {
  /** The buyer's address; empty when no check uses it. */
  readonly address: string;
  /** The client declares that it never sent this order before. */
  readonly firstAttempt: boolean;
  /** The record of the request; undefined when it is not observed. */
  readonly requestRecord: RequestRecord | undefined;
  /** The header `Purchase-Token`; null = none, or not used. */
  readonly purchaseToken: string | null;
}

/** Reads the properties of a request that apply to each sale in it. */
export function attemptOf(
  dependencies: RouteDependencies,
  request: Request,
  connection: Connection,
  origin: Origin,
): Attempt {
  const { headers } = request;
  return {
    actor: origin.actor,
    traceparent: origin.traceparent,
    address: dependencies.fairPlay === null
      ? ""
      : clientAddress(headers, connection, dependencies.trustedProxies),
    firstAttempt: headers.get("order-attempt") === "1",
    requestRecord: connection.requestRecord,
    purchaseToken: dependencies.purchaseTokens === null ? null : headers.get("purchase-token"),
  };
}

/**
 * Sells, or returns the refusal.
 *
 * An invalid token alone does not refuse a sale: the store first checks whether the order was accepted before,
 * because the retry after a lost response may come after the token expired.
 */
export async function sell(
  { inventory, fairPlay, purchaseTokens, world }: RouteDependencies,
  wanted: Wanted,
  attempt: Attempt,
): Promise<Answer> {
  const { userId } = wanted;
  const { requestRecord } = attempt;
  const verdict = fairPlay === null ? null : fairPlay.judge(userId, attempt.address);
  if (verdict?.kind === "refused") {
    requestRecord?.turnAway(String(verdict.answer.body.code));
    return verdict.answer;
  }
  const token = purchaseTokens === null ? "none" : purchaseTokens.judge(attempt.purchaseToken, wanted);
  const sale = toSale(wanted, attempt, token === "valid");
  const timings = requestRecord?.time(sale);
  // Until the deployment is known, no sale can be accepted here; the store might know it a moment later.
  const outcome: Outcome = token === "undecided"
    ? { kind: "unarmed", reason: deploymentUnknown }
    : await inventory.submit(sale, timings);
  const answered = answerTo(sale, outcome, { nowMs: world.now(), token });
  if (timings) {
    timings.outcome = outcome;
    timings.result = resultOf(outcome, answered);
    timings.failed = answered.status >= 500;
  }
  return verdict === null ? answered : withHeaders(answered, verdict.value);
}

function toSale(wanted: Wanted, attempt: Attempt, hasToken: boolean): Sale {
  const { kind, orderId, userId, lines, holdMs } = wanted;
  return {
    kind,
    orderId,
    userId,
    lines,
    firstAttempt: attempt.firstAttempt,
    hasToken,
    holdMs,
    actor: attempt.actor,
    traceparent: attempt.traceparent,
  };
}
