/**
 * What every sale passes, a deduct and a basket alike: fair play, the purchase token, the decision.
 *
 * @module
 */
import type { Origin, Sale } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { CommandTimings } from "../../decide/command_timings.ts";
import { answerTo } from "../write/answer.ts";
import type { Wanted } from "../read/parse.ts";
import { type Connection } from "../ports/route.ts";
import { clientAddress } from "../guard/client_address.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type RequestRecord, resultOf } from "../ports/observer.ts";
import { type Answer, withHeaders } from "../write/response.ts";
import { deploymentUnknown } from "../guard/purchase_tokens.ts";

/** What a request says about all sales in it. */
export interface Attempt extends Origin {
  /** The buyer's address; empty when nobody asks for it. */
  readonly address: string;
  /** The client never sent this before. */
  readonly firstAttempt: boolean;
  /** What is noted of the request; undefined when nobody watches. */
  readonly requestRecord: RequestRecord | undefined;
  /** The header `Purchase-Token`; null = none, or nobody asks for it. */
  readonly purchaseToken: string | null;
}

/** Reads what a request says about all sales in it. */
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
 * Sells, or says why not.
 *
 * A token that is of no use does not refuse by itself: the store first looks whether this order was accepted
 * before, because the retry of a lost answer may come when the token has expired.
 */
export async function sell(
  { inventory, fairPlay, purchaseTokens, world }: RouteDependencies,
  wanted: Wanted,
  attempt: Attempt,
): Promise<Answer> {
  const { userId } = wanted;
  const { requestRecord } = attempt;
  const turn = fairPlay === null ? null : fairPlay.judge(userId, attempt.address);
  if (turn?.kind === "refused") {
    requestRecord?.turnedAway.push(String(turn.answer.body.code));
    return turn.answer;
  }
  const token = purchaseTokens === null ? "none" : purchaseTokens.judge(attempt.purchaseToken, wanted);
  const sale = toSale(wanted, attempt, token === "valid");
  const timings = requestRecord && new CommandTimings(sale);
  if (timings) requestRecord.timings.push(timings);
  // Until the deployment is known nothing is sold in any case; the store alone might learn it a moment later.
  const outcome: Outcome = token === "undecided"
    ? { kind: "unarmed", reason: deploymentUnknown }
    : await inventory.submit(sale, timings);
  const answered = answerTo(sale, outcome, { nowMs: world.now(), token });
  if (timings) {
    timings.outcome = outcome;
    timings.result = resultOf(outcome, answered);
    timings.failed = answered.status >= 500;
  }
  return turn === null ? answered : withHeaders(answered, turn.value);
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
