/**
 * Answers to what stock keepers ask: the successes here, every refusal in the table of `refusal.ts`.
 *
 * @module
 */
import type { Outcome } from "../../domain/outcome.ts";
import { onlyFigure } from "./answer.ts";
import type { AdjustBody, RulesBody, SaleRules, SetBody } from "../schemas/bodies.ts";
import { instant, refusal } from "./refusal.ts";
import { type Answer, freshJsonHeaders, jsonHeaders, replayedHeaders } from "./response.ts";

/** The answer to an adjustment. A replay is the first answer again, 201 included. */
export function answerAdjust(outcome: Outcome, sku: string, asked: AdjustBody, nowMs: number): Answer {
  const id = { adjustment_id: asked.adjustmentId };
  if (outcome.kind !== "accepted") return refusal(outcome, { command: "adjust", id, nowMs, token: "none" });
  return {
    status: outcome.created ? 201 : 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      sku,
      available: onlyFigure(outcome.newStock),
      delta: asked.delta,
      seq: outcome.seq,
      message: "success",
      ...id,
    },
  };
}

/** The answer to a compare-and-set. A replay is the first answer again, 201 included. */
export function answerSet(outcome: Outcome, sku: string, asked: SetBody, nowMs: number): Answer {
  const id = { adjustment_id: asked.adjustmentId };
  if (outcome.kind !== "accepted") return refusal(outcome, { command: "set", id, nowMs, token: "none" });
  return {
    status: outcome.created ? 201 : 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      sku,
      available: onlyFigure(outcome.newStock),
      seq: outcome.seq,
      message: "success",
      ...id,
    },
  };
}

/** The answer to a pause and to its end. */
export function answerPause(
  outcome: Outcome,
  command: "pause" | "resume",
  sku: string,
  nowMs: number,
): Answer {
  if (outcome.kind !== "accepted") return refusal(outcome, { command, id: {}, nowMs, token: "none" });
  return {
    status: 200,
    headers: jsonHeaders,
    body: { success: true, sku, paused: command === "pause", seq: outcome.seq, message: "success" },
  };
}

/** The answer to new rules. */
export function answerRules(outcome: Outcome, sku: string, rules: RulesBody, nowMs: number): Answer {
  if (outcome.kind !== "accepted") {
    return refusal(outcome, { command: "rules", id: {}, nowMs, token: "none" });
  }
  const version = { rules_version: outcome.seq, seq: outcome.seq };
  return {
    status: outcome.created ? 201 : 200,
    headers: jsonHeaders,
    body: { success: true, sku, ...ruleMembers(rules), ...version, message: "success" },
  };
}

/** The answer to a look at the stock. */
export function answerStock(outcome: Outcome, shard: number, nowMs: number): Answer {
  if (outcome.kind !== "stock") return refusal(outcome, { command: "stock", id: {}, nowMs, token: "none" });
  const { sku, available, reserved, paused, rulesVersion, seq } = outcome;
  return {
    status: 200,
    headers: freshJsonHeaders,
    body: {
      sku,
      available,
      reserved,
      paused,
      ...ruleMembers(outcome),
      rules_version: rulesVersion,
      shard,
      seq,
    },
  };
}

/** The rules as they are written: a rule that does not apply is null. */
function ruleMembers(
  { opensAtMs, closesAtMs, quota, tokenRequired }: SaleRules,
): Record<string, unknown> {
  return {
    opens_at: opensAtMs === null ? null : instant(opensAtMs),
    closes_at: closesAtMs === null ? null : instant(closesAtMs),
    quota,
    purchase_token: tokenRequired,
  };
}
