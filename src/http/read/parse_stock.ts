/**
 * From untyped JSON to what a stock keeper asks.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { isObject, Members, type Spellings } from "./members.ts";
import { notAnObject } from "./parse.ts";
import type { AdjustBody, PauseBody, RulesBody, SetBody } from "../schemas/bodies.ts";
import type { Checked } from "../write/response.ts";

/** Units that a user may buy within a window; more than a line can have would be no quota. */
const quotaMax = limits.amountMax;

const adjustSpellings: Spellings<"adjustment_id" | "delta" | "reason" | "reference"> = {
  adjustment_id: ["adjustment_id"],
  delta: ["delta"],
  reason: ["reason"],
  reference: ["reference"],
};

const setSpellings: Spellings<"adjustment_id" | "available" | "expected" | "reason" | "reference"> = {
  adjustment_id: ["adjustment_id"],
  available: ["available"],
  expected: ["expected"],
  reason: ["reason"],
  reference: ["reference"],
};

const pauseSpellings: Spellings<"reason"> = { reason: ["reason"] };

const rulesSpellings: Spellings<"opens_at" | "closes_at" | "quota" | "purchase_token" | "expected"> = {
  opens_at: ["opens_at"],
  closes_at: ["closes_at"],
  quota: ["quota"],
  purchase_token: ["purchase_token"],
  expected: ["expected"],
};

/** Checks the body of an adjustment. */
export function parseAdjust(body: unknown): Checked<AdjustBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, adjustSpellings);
  return members.check({
    adjustmentId: members.id("adjustment_id"),
    delta: members.integer("delta", -limits.quantityMax, limits.quantityMax),
    reason: members.note("reason"),
    reference: members.note("reference"),
  });
}

/** Checks the body of a compare-and-set. */
export function parseSet(body: unknown): Checked<SetBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, setSpellings);
  return members.check({
    adjustmentId: members.id("adjustment_id"),
    available: members.integer("available", 0, limits.quantityMax),
    expected: members.integerOrNull("expected", 0, limits.quantityMax),
    reason: members.note("reason"),
    reference: members.note("reference"),
  });
}

/** Checks the body of a pause and of its end. */
export function parsePause(body: unknown): Checked<PauseBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, pauseSpellings);
  return members.check({ reason: members.note("reason") });
}

/** Checks the rules of a SKU. */
export function parseRules(body: unknown): Checked<RulesBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, rulesSpellings);
  const opensAtMs = members.instantOrNull("opens_at");
  const closesAtMs = members.instantOrNull("closes_at");
  const quota = members.integerOrNull("quota", 1, quotaMax);
  const tokenRequired = members.boolean("purchase_token");
  const expected = members.integerOrNull("expected", 0, Number.MAX_SAFE_INTEGER);
  if (opensAtMs !== null && closesAtMs !== null && opensAtMs >= closesAtMs) {
    members.wrong("closes_at", "must be after opens_at");
  }
  return members.check({ opensAtMs, closesAtMs, quota, tokenRequired, expected });
}
