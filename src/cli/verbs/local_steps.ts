/**
 * The steps of an import as commands to the store: many in one call.
 *
 * @module
 */
import type { Command } from "../../domain/command.ts";
import type { Decided } from "../../domain/outcome.ts";
import { Submitter } from "../context/submitter.ts";
import type { CliContext } from "../context/context.ts";
import { rulesChanged, type Step, type StepResult, type Submit } from "./stock_steps.ts";

type StockCommand = Command & { readonly sku: string };

/** Opens the store; `reason` goes into the ledger with every change. */
export async function submitHere(context: CliContext, reason: string): Promise<Submit> {
  const submitter = new Submitter(await context.store(), context.world, context.config.shards);
  return async (steps) => {
    const commands = steps.map((step) => commandOf(step, reason, context.actor));
    const outcomes = await submitter.decideAll(commands, ({ sku }) => sku);
    return outcomes.map(resultOf);
  };
}

function commandOf(step: Step, reason: string, actor: string): StockCommand {
  const { sku } = step;
  const origin = { actor, traceparent: "" };
  const note = { reason, reference: "", ...origin };
  switch (step.kind) {
    case "create":
      return { kind: "set", sku, adjustmentId: step.id, available: step.available, expected: null, ...note };
    case "adjust":
      return { kind: "adjust", sku, adjustmentId: step.id, delta: step.delta, ...note };
    case "rules":
      return { kind: "rules", sku, ...step.rules, expected: step.expected, ...origin };
    case "read":
      return { kind: "stock", sku };
  }
}

function resultOf(outcome: Decided | undefined): StepResult {
  switch (outcome?.kind) {
    case "accepted":
      return { kind: "done", created: outcome.created, replayed: outcome.replayed };
    case "stock": {
      const { available, opensAtMs, closesAtMs, quota, tokenRequired, rulesVersion } = outcome;
      const hasRules = opensAtMs !== null || closesAtMs !== null || quota !== null || tokenRequired;
      return { kind: "stock", available, hasRules, rulesVersion };
    }
    case "unknown_sku":
      return { kind: "unknown" };
    case "stale":
      return { kind: "refused", why: `exists already, with ${outcome.available} available` };
    case "stale_rules":
      return { kind: "refused", why: rulesChanged };
    case "stock_limit":
      return { kind: "refused", why: "would exceed the maximum units of a SKU" };
    default:
      return { kind: "refused", why: `was refused: ${outcome?.kind ?? "no answer"}` };
  }
}
