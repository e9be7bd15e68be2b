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
import type { CommandTimings } from "../../decide/command_timings.ts";
import { type RequestRecord, resultOf } from "../ports/observer.ts";
import { type Answer, withHeaders } from "../write/response.ts";
import { deploymentUnknown } from "../guard/purchase_tokens.ts";
import type { TokenVerdict } from "../write/refusal.ts";

/** Properties of a request that apply to each sale in it. */
export interface Attempt extends Origin {
  /** The buyer's address; empty when no check uses it. */
  readonly address: string;
  /** Whether the client declares that it never sent this order before. */
  readonly isFirst: () => boolean;
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
    isFirst: () => headers.get("order-attempt") === "1",
    requestRecord: connection.requestRecord,
    purchaseToken: dependencies.purchaseTokens === null ? null : headers.get("purchase-token"),
  };
}

/** A sale that may be decided. */
interface Admitted {
  readonly kind: "admitted";
  readonly sale: Sale;
  readonly timings: CommandTimings | undefined;
  readonly token: TokenVerdict;
  /** Headers of the rate limit; null without one. */
  readonly rateHeaders: Readonly<Record<string, string>> | null;
}

/** Sells, or returns the refusal. */
export async function sell(
  dependencies: RouteDependencies,
  wanted: Wanted,
  attempt: Attempt,
): Promise<Answer> {
  const asked = admitSale(dependencies, wanted, attempt);
  if (asked.kind === "refused") return asked.answer;
  return answerSale(dependencies, asked, await decideSale(dependencies, asked, attempt));
}

/**
 * Fair play and purchase token.
 *
 * An invalid token alone does not refuse a sale: the store first checks whether the order was accepted before,
 * because the retry after a lost response may come after the token expired.
 */
export function admitSale(
  { fairPlay, purchaseTokens }: RouteDependencies,
  wanted: Wanted,
  attempt: Attempt,
): Admitted | { readonly kind: "refused"; readonly answer: Answer } {
  const { requestRecord } = attempt;
  const verdict = fairPlay === null ? null : fairPlay.judge(wanted.userId, attempt.address);
  if (verdict?.kind === "refused") {
    requestRecord?.turnAway(String(verdict.answer.body.code));
    return verdict;
  }
  const token = purchaseTokens === null ? "none" : purchaseTokens.judge(attempt.purchaseToken, wanted);
  const sale = toSale(wanted, attempt, token === "valid");
  const rateHeaders = verdict === null ? null : verdict.value;
  return { kind: "admitted", sale, timings: requestRecord?.time(sale), token, rateHeaders };
}

/** Asks the inventory. */
export function decideSale(
  { inventory }: RouteDependencies,
  { sale, timings, token }: Admitted,
  { isFirst }: Attempt,
): Promise<Outcome> {
  // Until the deployment is known, no sale can be accepted here; the store might know it a moment later.
  return token === "undecided"
    ? Promise.resolve({ kind: "unarmed", reason: deploymentUnknown })
    : inventory.submit(sale, timings, isFirst);
}

/** The response to a sale that was decided. */
export function answerSale(
  { world }: RouteDependencies,
  { sale, timings, token, rateHeaders }: Admitted,
  outcome: Outcome,
): Answer {
  const answered = answerTo(sale, outcome, { nowMs: world.now(), token });
  if (timings) {
    timings.outcome = outcome;
    timings.result = resultOf(outcome, answered);
    timings.failed = answered.status >= 500;
  }
  return rateHeaders === null ? answered : withHeaders(answered, rateHeaders);
}

function toSale(wanted: Wanted, attempt: Attempt, hasToken: boolean): Sale {
  const { kind, orderId, userId, lines, holdMs } = wanted;
  return {
    kind,
    orderId,
    userId,
    lines,
    hasToken,
    holdMs,
    actor: attempt.actor,
    traceparent: attempt.traceparent,
  };
}
