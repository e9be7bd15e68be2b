/**
 * Reads the keys of the design document's service: `inventory:<sku>` holds a number, `inventory:log:<order>` a hash
 * of the order's last deduction, for a day.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { brokenIdRule } from "../../http/read/members.ts";
import type { RedisCall } from "../context/context.ts";

/** An order of the old service. */
export interface SeedOrder {
  /** From the key. */
  readonly orderId: string;
  /** Who bought. */
  readonly userId: string;
  /** Without the key's prefix. */
  readonly sku: string;
  /** Units taken. */
  readonly amount: number;
  /** Units that were left after it. */
  readonly newStock: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
}

/** What the old service has. */
export interface Seed {
  /** Units now, by SKU. */
  readonly stock: ReadonlyMap<string, number>;
  /** In the order in which they were decided, as far as seconds and figures tell. */
  readonly orders: readonly SeedOrder[];
  /** Keys that cannot be carried over, and why. */
  readonly left: readonly { readonly key: string; readonly why: string }[];
}

const prefix = "inventory:";
const logPrefix = "inventory:log:";
/** `inventory:user_limit:<user>:inventory:<sku>` lives for a second. */
const limitKey = /^inventory:user_limit:.*:inventory:/s;
const scanCount = 1000;

/** Reads everything. The old service may go on; what it sells meanwhile is read by the next import. */
export async function readSeed(redis: RedisCall): Promise<Seed> {
  const stock = new Map<string, number>();
  const orders = new Map<string, SeedOrder>();
  const left = new Map<string, string>();
  // Orders first: one that is sold between the two scans is missed here, and then counts as sold before.
  for await (const keys of scan(redis, `${logPrefix}*`, "hash")) {
    const hashes = await Promise.all(keys.map((key) => redis("HGETALL", key)));
    keys.forEach((key, i) => {
      const fields = pairsOf(hashes[i]);
      if (fields.size === 0) return; // it expired between the two calls
      const order = orderOf(key.slice(logPrefix.length), fields);
      if (typeof order === "string") left.set(key, order);
      else orders.set(key, order);
    });
  }
  for await (const keys of scan(redis, `${prefix}*`, "string")) {
    const wanted = keys.filter((key) => !limitKey.test(key));
    const values = await Promise.all(wanted.map((key) => redis("GET", key)));
    wanted.forEach((key, i) => {
      const why = brokenStock(key.slice(prefix.length), values[i]);
      if (why === undefined) stock.set(key.slice(prefix.length), Number(values[i]));
      else left.set(key, why);
    });
  }
  const inOrder = [...orders.values()].sort((a, b) => a.timestamp - b.timestamp || b.newStock - a.newStock);
  return { stock, orders: inOrder, left: [...left].map(([key, why]) => ({ key, why })) };
}

async function* scan(redis: RedisCall, pattern: string, type: string): AsyncGenerator<string[]> {
  let cursor = "0";
  do {
    const reply = await redis("SCAN", cursor, "MATCH", pattern, "COUNT", scanCount, "TYPE", type);
    const [next, keys] = Array.isArray(reply) ? reply : [];
    cursor = String(next ?? "0");
    yield Array.isArray(keys) ? keys.map(String) : [];
  } while (cursor !== "0");
}

function pairsOf(reply: unknown): Map<string, string> {
  const flat = Array.isArray(reply) ? reply.map(String) : [];
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? "", flat[i + 1] ?? "");
  return fields;
}

/** An order, or why it cannot be carried over. */
function orderOf(orderId: string, fields: ReadonlyMap<string, string>): SeedOrder | string {
  for (const name of ["sku", "user_id", "deduct_amount", "new_stock", "timestamp"]) {
    if (!fields.has(name)) return `its field '${name}' is missing`;
  }
  const key = fields.get("sku") ?? "";
  const sku = key.startsWith(prefix) ? key.slice(prefix.length) : key;
  const userId = fields.get("user_id") ?? "";
  const amount = Number(fields.get("deduct_amount"));
  for (const [what, id] of [["order id", orderId], ["user_id", userId], ["sku", sku]] as const) {
    const broken = brokenIdRule(id);
    if (broken) return `its ${what} ${broken}`;
  }
  if (!Number.isInteger(amount) || amount < 1 || amount > limits.amountMax) {
    return `its deduct_amount must be an integer from 1 to ${limits.amountMax}`;
  }
  const newStock = Number(fields.get("new_stock"));
  return { orderId, userId, sku, amount, newStock, timestamp: Number(fields.get("timestamp")) };
}

function brokenStock(sku: string, value: unknown): string | undefined {
  const broken = brokenIdRule(sku);
  if (broken) return `its SKU ${broken}`;
  const units = typeof value === "string" && /^\d{1,13}$/.test(value) ? Number(value) : NaN;
  return units <= limits.quantityMax ? undefined : `it must be an integer from 0 to ${limits.quantityMax}`;
}
