/**
 * The bodies of requests, one schema each. `read/parse.ts` converts valid bodies to commands.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { isObject, list, object } from "./containers.ts";
import { parseInstant } from "./instant.ts";
import {
  boolean,
  type FieldError,
  id,
  integer,
  moment,
  note,
  orNull,
  type Part,
  ref,
  type Schema,
  units,
} from "./schema.ts";
import { brokenIdRule } from "./text_rules.ts";

const sku = id("The SKU; SKUs with the same `{tag}` belong to one shard", "SKU_123");
const userId = id("The buyer: user limit and quota count per user and SKU", "user-7");
const orderId = id(
  "The order id, chosen by the client; a request with the same id may be repeated at any time",
  "order-1001",
);
const adjustmentId = id("Chosen by the client; a request with the same id takes effect once", "delivery-88");
const amount = integer(1, limits.amountMax, "Units.");

const ttlSeconds = integer(
  limits.holdMinMs / 1000,
  limits.holdLongestMs / 1000,
  "How long the units are held, counted from the time of the reservation.",
);

const Line = object({ sku, amount });

const lines = {
  ...list(ref("Line", Line), 1, limits.orderLinesMax, tooManyUnits),
  description: "Lines of the same SKU are summed; the sum has the limit of one line.",
};

const basketMembers = { order_id: orderId, user_id: userId, lines };

const notes = {
  reason: note("The reason, stored in the ledger."),
  reference: note("A reference to another system: a delivery note, a ticket."),
};

/** All request bodies, by their component name. */
export const requests = {
  Line,
  DeductRequest: {
    ...object({ sku, user_id: userId, order_id: orderId, amount }, {}, {
      aliases: { SKU: "sku", UserID: "user_id", OrderID: "order_id", Amount: "amount" },
    }),
    description: "A deduct. Members may also be spelled `SKU`, `UserID`, `OrderID`, `Amount`.",
  },
  DeductRequestPascal: {
    ...object({ SKU: sku, UserID: userId, OrderID: orderId, Amount: amount }),
    description: "The same in the older spelling of the members.",
  },
  BatchRequest: object({
    // Items are checked one by one, so that an invalid one is refused separately.
    items: {
      ...list(ref("DeductRequest"), 1, limits.batchItemsMax),
      description: "An invalid item is refused alone.",
    },
  }),
  BasketRequest: object(basketMembers),
  ReservationRequest: object(basketMembers, {
    ttl_seconds: { ...ttlSeconds, default: limits.holdDefaultMs / 1000 },
  }),
  ConfirmRequest: object({}, {
    lines: { ...lines, description: "The units to sell; the rest returns. Absent: all reserved units." },
  }),
  CancelRequest: object({}),
  ExtendRequest: object({ ttl_seconds: ttlSeconds }),
  ReturnRequest: object(
    {
      return_id: id("Chosen by the client; a request with the same id takes effect once", "return-5"),
      lines,
    },
    { reason: notes.reason },
  ),
  AdjustmentRequest: object({
    adjustment_id: adjustmentId,
    delta: integer(-limits.quantityMax, limits.quantityMax, "Units to add; a negative number removes units."),
  }, notes),
  SetRequest: object({
    adjustment_id: adjustmentId,
    available: units("The new number of available units."),
    expected: orNull(units("The current number of available units; null: the SKU has no stock yet.")),
  }, notes),
  PauseRequest: object({}, { reason: notes.reason }),
  RulesRequest: {
    ...object(
      {
        opens_at: orNull(moment("Start of the sale; null: always open.")),
        closes_at: orNull(moment("End of the sale, after opens_at; null: no end.")),
        quota: orNull(
          integer(1, limits.amountMax, "Units that a user may buy within the window; null: unlimited."),
        ),
        purchase_token: boolean("Whether a sale requires a purchase token."),
        expected: orNull(
          integer(
            0,
            Number.MAX_SAFE_INTEGER,
            "The current `rules_version`, 0: no rules; null: the SKU must not exist, and is created.",
          ),
        ),
      },
      {},
      { refine: closesBeforeItOpens },
    ),
    description: "All rules of a SKU. They replace the current ones, if those have the expected version.",
  },
  PurchaseTokenRequest: object(basketMembers, {
    ttl_seconds: {
      ...integer(1, limits.tokenTtlMaxS, "How long the token is valid."),
      default: limits.tokenTtlMaxS,
    },
  }),
} as const satisfies Readonly<Record<string, Schema>>;

/** The schemas of ids in paths. */
export const idSchemas = { sku, orderId } as const;

/** SKUs whose lines together exceed the limit of one line; lines that violate a rule do not count. */
function tooManyUnits(lines: readonly unknown[]): string[] {
  const sums = new Map<string, number>();
  for (const line of lines) {
    if (!isObject(line) || typeof line.sku !== "string") continue;
    sums.set(line.sku, (sums.get(line.sku) ?? 0) + (isAmount(line.amount) ? line.amount : 0));
  }
  const max = limits.amountMax;
  return [...sums].filter(([sku, sum]) => sum > max && brokenIdRule(sku) === undefined)
    .map(([sku]) => `must not have more than ${max} units of ${sku} in all`);
}

function isAmount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= limits.amountMax;
}

function closesBeforeItOpens({ opens_at, closes_at }: Part): FieldError[] {
  const [opensAtMs, closesAtMs] = [opens_at, closes_at].map((text) =>
    typeof text === "string" ? parseInstant(text) : undefined
  );
  const isWrong = opensAtMs !== undefined && closesAtMs !== undefined && opensAtMs >= closesAtMs;
  return isWrong ? [{ pointer: "/closes_at", detail: "must be after opens_at" }] : [];
}
