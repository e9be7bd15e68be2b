/**
 * The table from successes to HTTP; the table of refusals is in `refusal.ts`.
 *
 * @module
 */
import type { Prepare, Settle } from "../../domain/basket.ts";
import type { Command, Line, Lookup, ReadStock, SaleRules } from "../../domain/command.ts";
import type { OrderOutcome, Outcome, RememberedLine } from "../../domain/outcome.ts";
import type { answers } from "../schemas/answers.ts";
import type { Static } from "../schemas/schema.ts";
import { problem } from "./problem.ts";
import { type Asked, instant, refusal } from "./refusal.ts";
import { type Answer, freshJsonHeaders, jsonHeaders, replayedHeaders } from "./response.ts";

/** A command that changes something. */
export type Change = Exclude<Command, Lookup | ReadStock | Prepare | Settle>;

/** The outcome of each successful command. */
const successes = {
  deduct: "accepted",
  order: "accepted",
  reserve: "accepted",
  confirm: "settled",
  cancel: "settled",
  extend: "extended",
  return: "accepted",
  adjust: "accepted",
  set: "accepted",
  pause: "accepted",
  resume: "accepted",
  rules: "accepted",
} as const satisfies Readonly<Record<Change["kind"], Outcome["kind"]>>;

/** The schema of each success, by its name in the OpenAPI document. */
interface BodyNames {
  readonly deduct: "Deducted";
  readonly order: "BasketSold";
  readonly reserve: "Reserved";
  readonly confirm: "Settled";
  readonly cancel: "Settled";
  readonly extend: "Extended";
  readonly return: "Returned";
  readonly adjust: "Adjusted";
  readonly set: "StockSet";
  readonly pause: "PauseSet";
  readonly resume: "PauseSet";
  readonly rules: "RulesSet";
}

type Body<Name extends keyof typeof answers> = Static<(typeof answers)[Name]>;

/** The command with this kind; a sale has three. */
type Of<Kind, C = Change> = C extends Change ? Kind extends C["kind"] ? C : never : never;

type Rows = {
  readonly [Kind in Change["kind"]]: (
    command: Of<Kind>,
    outcome: Extract<Outcome, { kind: (typeof successes)[Kind] }>,
  ) => Body<BodyNames[Kind]>;
};

const success = true;
const message = "success";

const rows: Rows = {
  deduct: ({ orderId, lines }, { newStock, seq }) => {
    const { sku, amount } = onlyOne(lines);
    return { success, new_stock: onlyOne(newStock), message, order_id: orderId, sku, amount, seq };
  },
  order: ({ orderId, lines }, { newStock, seq }) => (
    { success, order_id: orderId, lines: linesAfter(lines, newStock), seq, message }
  ),
  reserve: ({ orderId, lines }, { newStock, expiresAtMs, seq }) => ({
    success,
    order_id: orderId,
    lines: linesAfter(lines, newStock),
    expires_at: instant(expiresAtMs),
    seq,
    message,
  }),
  confirm: settledBody,
  cancel: settledBody,
  extend: ({ orderId }, { expiresAtMs, seq }) => (
    { success, order_id: orderId, expires_at: instant(expiresAtMs), seq, message }
  ),
  return: ({ orderId, returnId, lines }, { newStock, seq }) => ({
    success,
    order_id: orderId,
    return_id: returnId,
    lines: linesAfter(lines, newStock),
    seq,
    message,
  }),
  adjust: ({ sku, delta, adjustmentId }, { newStock, seq }) => (
    { success, sku, available: onlyOne(newStock), delta, seq, message, adjustment_id: adjustmentId }
  ),
  set: ({ sku, adjustmentId }, { newStock, seq }) => (
    { success, sku, available: onlyOne(newStock), seq, message, adjustment_id: adjustmentId }
  ),
  pause: ({ sku }, { seq }) => ({ success, sku, paused: true, seq, message }),
  resume: ({ sku }, { seq }) => ({ success, sku, paused: false, seq, message }),
  rules: (command, { seq }) => (
    { success, sku: command.sku, ...ruleMembers(command), rules_version: seq, seq, message }
  ),
};

/**
 * The response to a command. A replay has the first response again, 201 included.
 *
 * @param context the time of the response, and the purchase token of the command
 */
export function answerTo(
  command: Change,
  outcome: Outcome,
  context: Pick<Asked, "nowMs" | "token">,
): Answer {
  const { kind } = command;
  if (outcome.kind !== successes[kind]) {
    return refusal(outcome, { command: kind, id: idsOf(command), ...context });
  }
  // Each row takes its own kinds, which were compared above.
  const row = rows[kind] as (command: Change, outcome: Outcome) => Answer["body"];
  const isReplayed = "replayed" in outcome && outcome.replayed;
  const isCreated = kind === "reserve" || ("created" in outcome && outcome.created);
  return {
    status: isCreated ? 201 : 200,
    headers: isReplayed ? replayedHeaders : jsonHeaders,
    body: row(command, outcome),
  };
}

/** The ids that a refusal repeats. */
function idsOf(command: Change): Readonly<Record<string, string>> {
  switch (command.kind) {
    case "return":
      return { order_id: command.orderId, return_id: command.returnId };
    case "adjust":
    case "set":
      return { adjustment_id: command.adjustmentId };
    case "pause":
    case "resume":
    case "rules":
      return {};
    default:
      return { order_id: command.orderId };
  }
}

/** The response to the lookup of an order. */
export function answerOrder(outcome: OrderOutcome, orderId: string, nowMs: number): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "order_found") {
    return refusal(outcome, { command: "lookup", id, nowMs, token: "none" });
  }
  if (outcome.lines.length === 0) {
    return problem("unknown_order", `No line of the order ${orderId} was accepted`, { members: id });
  }
  const body: Body<"Order"> = { ...id, lines: outcome.lines.map(orderLine) };
  return { status: 200, headers: freshJsonHeaders, body };
}

/** The response to the read of a SKU. */
export function answerStock(outcome: Outcome, shard: number, nowMs: number): Answer {
  if (outcome.kind !== "stock") return refusal(outcome, { command: "stock", id: {}, nowMs, token: "none" });
  const { sku, available, reserved, paused, rulesVersion: rules_version, seq } = outcome;
  const rules = ruleMembers(outcome);
  const body: Body<"Stock"> = { sku, available, reserved, paused, ...rules, rules_version, shard, seq };
  return { status: 200, headers: freshJsonHeaders, body };
}

function settledBody(
  { orderId }: { readonly orderId: string },
  { state, lines, seq }: Extract<Outcome, { kind: "settled" }>,
): Body<"Settled"> {
  const settled = lines.map(({ sku, amount, available }) => ({
    sku,
    confirmed: amount,
    new_stock: available,
  }));
  return { success, order_id: orderId, state, lines: settled, seq, message };
}

function orderLine(line: RememberedLine): Body<"OrderLine"> {
  return {
    sku: line.sku,
    user_id: line.userId,
    // Only sales are found by an order.
    kind: line.kind === "prepare" ? "order" : line.kind as Body<"OrderLine">["kind"],
    amount: line.amount,
    state: line.state,
    units: line.units,
    returned: returnedUnits(line),
    new_stock: line.newStock,
    seq: line.seq,
    accepted_at: instant(line.atMs),
    expires_at: line.expiresAtMs === 0 ? null : instant(line.expiresAtMs),
    settled: line.settledSeq === 0 ? null : {
      seq: line.settledSeq,
      confirmed: line.settledUnits,
      new_stock: line.settledStock,
    },
  };
}

/** Only sold units can have been returned; expired units were never sold. */
function returnedUnits(line: RememberedLine): number {
  switch (line.state) {
    case "accepted":
      return line.amount - line.units;
    case "confirmed":
      return line.settledUnits - line.units;
    default:
      return 0;
  }
}

/** The rules as clients send them: null for a rule that does not apply. */
function ruleMembers({ opensAtMs, closesAtMs, quota, tokenRequired }: SaleRules) {
  return {
    opens_at: opensAtMs === null ? null : instant(opensAtMs),
    closes_at: closesAtMs === null ? null : instant(closesAtMs),
    quota,
    purchase_token: tokenRequired,
  };
}

/** Lines with the stock after each; the store returns it in the same order. */
function linesAfter(lines: readonly Line[], newStock: readonly number[]): Body<"SoldLine">[] {
  if (newStock.length !== lines.length) {
    throw new TypeError(
      `Cannot answer ${lines.length} lines: current number of values is ${newStock.length}`,
    );
  }
  return lines.map(({ sku, amount }, i) => ({ sku, amount, new_stock: newStock[i] ?? 0 }));
}

/** The value of a command with one line. */
function onlyOne<T>(values: readonly T[]): T {
  const [value] = values;
  if (value === undefined || values.length > 1) {
    throw new TypeError(`Cannot answer a command of one line: current number of values is ${values.length}`);
  }
  return value;
}
