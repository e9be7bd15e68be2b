/**
 * What clients send.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { tokenTtlMaxS } from "../guard/purchase_tokens.ts";
import { id, integer, list, moment, note, object, orNull, ref, type Schema, units } from "./json_schema.ts";

const sku = id("The SKU; SKUs with the same `{tag}` in them live in one shard", "SKU_123");
const userId = id("Who buys: limit and quota count by user and SKU", "user-7");
const orderId = id(
  "The order, chosen by the client: the same one may be sent again at any time",
  "order-1001",
);
const adjustmentId = id("Chosen by the client: the same one takes effect once", "delivery-88");
const amount = integer(1, limits.amountMax, "Units.");

const ttlSeconds = integer(
  limits.holdMinMs / 1000,
  limits.holdMaxMs / 1000,
  "How long the units are held, counted from when the reservation was made.",
);

const lines = {
  ...list(ref("Line"), 1, limits.orderLinesMax),
  description: "Lines of the same SKU are summed; the sum may be as large as one line may.",
};

const basketMembers = { order_id: orderId, user_id: userId, lines };

const deductMembers = { sku, user_id: userId, order_id: orderId, amount };

const pascalDeduct = object({ SKU: sku, UserID: userId, OrderID: orderId, Amount: amount });

const line: Schema = object({ sku, amount });

const notes = {
  reason: note("Why, for people and for the ledger."),
  reference: note("What it belongs to elsewhere: a delivery note, a ticket."),
};

/** Every body that a client sends, by its name among the components. */
export const requestSchemas: Readonly<Record<string, Schema>> = {
  Line: line,
  DeductRequest: {
    ...object(deductMembers),
    description: "A deduct. Members may also be spelled `SKU`, `UserID`, `OrderID`, `Amount`.",
  },
  DeductRequestPascal: { ...pascalDeduct, description: "The same in the older spelling." },
  BatchRequest: object({
    items: { ...list(ref("DeductRequest"), 1, 1000), description: "A wrong one is refused alone." },
  }),
  BasketRequest: object(basketMembers),
  ReservationRequest: object(basketMembers, { ttl_seconds: { ...ttlSeconds, default: 600 } }),
  ConfirmRequest: object({}, {
    lines: { ...lines, description: "What becomes a sale; the rest returns. Left out: all that is held." },
  }),
  CancelRequest: object({}),
  ExtendRequest: object({ ttl_seconds: ttlSeconds }),
  ReturnRequest: object(
    { return_id: id("Chosen by the client: the same one takes effect once", "return-5"), lines },
    { reason: notes.reason },
  ),
  AdjustmentRequest: object({
    adjustment_id: adjustmentId,
    delta: integer(-limits.quantityMax, limits.quantityMax, "Units to add; negative takes away."),
  }, notes),
  SetRequest: object({
    adjustment_id: adjustmentId,
    available: units("Units from now on."),
    expected: orNull(units("What they must be now; null: the SKU has no stock yet, and gets its first.")),
  }, notes),
  PauseRequest: object({}, { reason: notes.reason }),
  RulesRequest: {
    ...object({
      opens_at: orNull(moment("Sold from then on; null: from ever.")),
      closes_at: orNull(moment("Sold until then, after opens_at; null: for ever.")),
      quota: orNull(integer(1, limits.amountMax, "Units that a user may buy within the window; null: any.")),
      purchase_token: { type: "boolean", description: "A sale needs a purchase token." },
      expected: orNull(
        integer(
          0,
          Number.MAX_SAFE_INTEGER,
          "`rules_version` as the caller last saw it, 0: no rules; null: the SKU must not exist, and is created.",
        ),
      ),
    }),
    description: "All rules of a sale: they replace all that were there, if those are the expected version.",
  },
  PurchaseTokenRequest: object({ order_id: orderId, user_id: userId, lines }, {
    ttl_seconds: { ...integer(1, tokenTtlMaxS, "How long the token lasts."), default: tokenTtlMaxS },
  }),
};

/** The schemas of ids, for parameters in paths. */
export const idSchemas = { sku, orderId } as const;
