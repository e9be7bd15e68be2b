/**
 * What two stores must have in common: everything but their clocks.
 */
import type { Outcome } from "../../src/domain/outcome.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";

/** An outcome without its times: that there is one stays. */
export function timeless(outcome: Outcome): Outcome {
  switch (outcome.kind) {
    case "order":
      return { ...outcome, lines: outcome.lines.map((line) => ({ ...line, atMs: 0, expiresAtMs: 0 })) };
    case "accepted":
    case "extended":
      return { ...outcome, expiresAtMs: outcome.expiresAtMs > 0 ? 1 : 0 };
    case "rate_limited":
      return { ...outcome, retryAfterMs: 0 };
    default:
      return outcome;
  }
}

/** An event without its times. */
export function timelessEvent(event: InventoryEvent): InventoryEvent {
  const { expires, ...data } = event.data;
  return { ...event, atMs: 0, data: expires === undefined ? data : { ...data, expires: 1 } };
}
