/**
 * The bodies of successful responses.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { list, object } from "./containers.ts";
import { problemMembers } from "./problems.ts";
import {
  boolean,
  constant,
  integer,
  moment,
  nullOr,
  oneOf,
  orNull,
  ref,
  type Schema,
  seq,
  text,
  units,
} from "./schema.ts";

const sku = text("The SKU.");
const success: Schema<true> = { const: true, type: "boolean" };
const live: Schema<true> = { const: true };
const message = { ...constant("success"), type: "string" };
const orderId = text("The order.");
const newStock = units("Available units just after the decision; a replay has the same value.");
const amount = integer(1, limits.amountMax, "Units.");
const expiresAt = moment("When the hold expires.");
const shard = integer(0, limits.shardsMax - 1, "The shard that owns the SKU.");

const rules = {
  opens_at: orNull(moment("Start of the sale; null: always open.")),
  closes_at: orNull(moment("End of the sale; null: no end.")),
  quota: orNull(
    integer(1, limits.amountMax, "Units that a user may buy within the window; null: unlimited."),
  ),
  purchase_token: boolean("Whether a sale requires a purchase token."),
} as const;

const sold = { success, message, order_id: orderId, seq };
const soldLine = object({
  sku,
  amount: integer(1, limits.amountMax, "Units; lines of the same SKU are summed."),
  new_stock: newStock,
});
const soldLines = list(ref("SoldLine", soldLine), 1, limits.orderLinesMax);
const stockChange = { success, message, sku, available: units("Available units after the decision."), seq };

const settledLine = object({
  sku,
  confirmed: units("Units that were sold; the rest of the line is available again."),
  new_stock: newStock,
});

const orderLine = object({
  sku,
  user_id: text("The buyer."),
  kind: oneOf(["deduct", "order", "reserve"], "Whether the units were sold or reserved."),
  amount: integer(1, limits.amountMax, "Units that were sold or reserved."),
  state: oneOf(
    ["accepted", "held", "confirmed", "cancelled", "expired"],
    "The state of the line; `accepted` is a sale without a reservation.",
  ),
  units: units("Units that are sold or held now."),
  returned: units("Units that were returned after the sale."),
  new_stock: newStock,
  seq,
  accepted_at: moment("Time of the decision, on the store's clock."),
  expires_at: orNull(moment("When the hold expires or expired; null: never held.")),
  settled: nullOr(
    object({ seq, confirmed: units("Units that were sold."), new_stock: newStock }),
    "The confirmation or cancellation of the reservation.",
  ),
});

const batchItemSold = object({
  success,
  status: constant(200),
  code: constant("accepted"),
  replayed: boolean("The same as the header Idempotency-Replayed."),
  new_stock: newStock,
  message,
  order_id: orderId,
  sku,
  amount,
  seq,
});

const rulesVersion = integer(
  0,
  Number.MAX_SAFE_INTEGER,
  "Version of the rules, to be sent as `expected` of the next change. 0: no rules.",
);

const batchItemRefused = object(problemMembers, {
  errors: list(ref("FieldError"), 1, 200),
  sku,
  order_id: orderId,
  available: units("Available units."),
  opens_at: moment("When the sale opens."),
  closes_at: moment("When the sale closed."),
  retry_after_ms: integer(0, Number.MAX_SAFE_INTEGER, "When to retry, in milliseconds."),
  retry_after: integer(1, Number.MAX_SAFE_INTEGER, "The same as the header Retry-After, in seconds."),
  quota: integer(1, limits.amountMax, "Units that a user may buy."),
  left: units("Units that this user may still buy."),
  limit: integer(1, limits.quantityMax, "The limit."),
  deadline: moment("The time after which the item can no longer take effect."),
});

/** Schemas of all successful bodies, by their component name. */
export const answers = {
  Deducted: object({ ...sold, new_stock: newStock, sku, amount }),
  SoldLine: soldLine,
  BasketSold: object({ ...sold, lines: soldLines }),
  BatchItemSold: batchItemSold,
  BatchItemRefused: batchItemRefused,
  BatchDecided: object({
    items: list({ oneOf: [ref("BatchItemSold"), ref("BatchItemRefused")] }, 1, 1000),
  }),
  Reserved: object({ ...sold, lines: soldLines, expires_at: expiresAt }),
  SettledLine: settledLine,
  Settled: object({
    ...sold,
    state: oneOf(["confirmed", "cancelled"]),
    lines: list(ref("SettledLine", settledLine), 1, limits.orderLinesMax),
  }),
  Extended: object({ ...sold, expires_at: expiresAt }),
  Returned: object({ ...sold, return_id: text("The return."), lines: soldLines }),
  OrderLine: orderLine,
  Order: object({ order_id: orderId, lines: list(ref("OrderLine", orderLine), 1, limits.orderLinesMax) }),
  Stock: object({
    sku,
    available: units("Available units."),
    reserved: units("Held units."),
    paused: boolean("Whether the sale is paused."),
    ...rules,
    rules_version: rulesVersion,
    shard,
    seq: { ...seq, description: "Head of the shard's log at the time of the read." },
  }),
  Adjusted: object({
    ...stockChange,
    adjustment_id: text(),
    delta: integer(-limits.quantityMax, limits.quantityMax, "Units added."),
  }),
  StockSet: object({ ...stockChange, adjustment_id: text() }),
  PauseSet: object({ success, message, sku, paused: boolean(), seq }),
  RulesSet: object({
    success,
    message,
    sku,
    ...rules,
    rules_version: rulesVersion,
    seq: { ...seq, minimum: 0, description: "Number of the event that set the rules, as `rules_version`." },
  }),
  PurchaseToken: object({
    success,
    message,
    purchase_token: text("The value of the header Purchase-Token."),
    order_id: orderId,
    user_id: text(),
    lines: { ...list(ref("Line"), 1, limits.orderLinesMax), description: "The lines that it can buy." },
    expires_at: moment("From then on it is of no use."),
  }),
  Live: object({ live }),
  Readiness: object({
    ready: boolean("Whether orders can be decided now."),
    missing: { ...list(text(), 0, limits.shardsMax), description: "Everything that is not ready, as text." },
    promises_off: { ...list(text(), 0, 100), description: "Guarantees that this deployment does not keep." },
    checked_at: moment("When the store was asked: an answer is given again for a second."),
  }),
} as const satisfies Readonly<Record<string, Schema>>;
