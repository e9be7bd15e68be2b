/**
 * What clients do: buyers with their orders, and a stock keeper.
 *
 * @module
 */
import type { Line, Sale } from "../../src/domain/command.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { type Accepted, type Clients, note } from "./clients.ts";

type AcceptedOutcome = Extract<Outcome, { kind: "accepted" }>;

/** Places an order, and does something with it afterwards. */
export async function buy(clients: Clients): Promise<void> {
  const { chance, scheduler } = clients.shop;
  const sale = order(clients);
  const sentMs = scheduler.nowMs;
  const outcome = await clients.untilCertain(sale);
  if (clients.baskets.has(sale.orderId)) {
    clients.shop.happened(
      `a basket of several shards is ${outcome.kind === "accepted" ? "sold" : "refused"}`,
    );
  }
  if (outcome.kind !== "accepted") {
    clients.shop.happened(`a sale is refused: ${outcome.kind}`);
    // An earlier attempt may have reserved the units, and did not confirm them.
    if (outcome.kind !== "reservation_expired") clients.refused.add(sale.orderId);
    return;
  }
  const accepted = clients.note(sale.orderId, sale.lines[0]?.sku ?? "", outcome.seq);
  if (sale.kind === "reserve") {
    await settle(clients, sale);
    return chance.isHit(0.15) ? await sendLate(clients, sale) : undefined;
  }
  if (chance.isHit(0.15)) return await sendLate(clients, sale);
  if (chance.isHit(0.2)) return await giveBack(clients, sale);
  if (chance.isHit(0.5)) await retry(clients, sale, { outcome, accepted, sentMs });
}

function order(clients: Clients): Sale {
  const { chance, settings } = clients.shop;
  if (settings.hasBaskets && chance.isHit(0.3)) return basket(clients);
  const skus = settings.skus[chance.between(0, settings.shards - 1)] ?? [];
  const at = chance.between(0, skus.length - 1);
  const line = (i: number): Line => ({ sku: skus[i % skus.length] ?? "", amount: chance.between(1, 3) });
  const isHeld = chance.isHit(0.4);
  const isBasket = chance.isHit(0.2);
  const lines = isBasket ? [line(at), line(at + 1)] : [line(at)];
  if (isHeld) return clients.sale("reserve", lines, chance.between(1000, 3000));
  return clients.sale(isBasket ? "order" : "deduct", lines, 0);
}

/** One SKU of each of several shards. */
function basket(clients: Clients): Sale {
  const { chance, settings } = clients.shop;
  const first = chance.between(0, settings.shards - 1);
  const shards = chance.between(2, settings.shards);
  const lines = Array.from({ length: shards }, (_, i): Line => {
    const skus = settings.skus[(first + i) % settings.shards] ?? [];
    return { sku: skus[chance.between(0, skus.length - 1)] ?? "", amount: chance.between(1, 2) };
  });
  const sale = clients.sale("order", lines, 0);
  clients.baskets.set(sale.orderId, lines.length);
  return sale;
}

/** Confirms a reservation, in part or as a whole, cancels it, extends it, or leaves it to its end. */
async function settle(clients: Clients, { orderId, lines, holdMs }: Sale): Promise<void> {
  const { chance } = clients.shop;
  const by = { orderId, owner: "", actor: "", traceparent: "" };
  if (chance.isHit(0.3)) return;
  if (chance.isHit(0.3)) {
    await clients.untilCertain({ kind: "extend", holdMs: holdMs + 1000, ...by });
    await clients.wait(chance.between(0, 1500));
  }
  if (chance.isHit(0.5)) return void await clients.untilCertain({ kind: "cancel", ...by });
  const part = chance.isHit(0.3) ? lines.slice(0, 1).map((line) => ({ ...line, amount: 1 })) : null;
  const confirmed = await clients.untilCertain({ kind: "confirm", lines: part, ...by });
  if (confirmed.kind !== "settled") return;
  clients.note(orderId, lines[0]?.sku ?? "", confirmed.seq);
  await clients.find(orderId);
}

/** Returns units of an order, soon or after the shard has forgotten it. */
async function giveBack(clients: Clients, { orderId, lines }: Sale): Promise<void> {
  const { chance, settings } = clients.shop;
  const isLate = chance.isHit(0.3);
  await clients.wait(isLate ? 3 * settings.limits.idempotencyWindowMs : chance.between(0, 500));
  const returned = lines.slice(0, 1).map((line) => ({ ...line, amount: 1 }));
  const returnId = clients.id("r");
  const by = { orderId, returnId, owner: "", actor: "", traceparent: "", reason: "", ledger: null };
  const outcome = await clients.untilCertain({ kind: "return", lines: returned, ...by });
  if (outcome.kind !== "accepted") return;
  clients.shop.happened(isLate ? "units are returned after the window" : "units are returned");
  clients.note(orderId, returned[0]?.sku ?? "", outcome.seq);
}

const isNew = true;

interface First {
  readonly outcome: AcceptedOutcome;
  readonly accepted: Accepted;
  readonly sentMs: number;
}

/** A retry within the window hears the first answer. */
async function retry(clients: Clients, sale: Sale, { outcome, accepted, sentMs }: First): Promise<void> {
  const { chance, scheduler, settings, isExcused } = clients.shop;
  await clients.wait(chance.between(0, 1500));
  const again = await clients.untilCertain(sale, !isNew);
  const isSame = again.kind === "accepted" && again.seq === outcome.seq &&
    String(again.newStock) === String(outcome.newStock);
  const isYoung = scheduler.nowMs - sentMs < settings.limits.idempotencyWindowMs;
  if (isSame) clients.shop.happened("a retry hears the first answer");
  if (isSame || !isYoung || isExcused(accepted)) return;
  const [now, first] = [JSON.stringify(again), JSON.stringify(outcome)];
  clients.shop.broken(`a retry of ${sale.orderId} hears ${now}, first ${first}`);
}

/** Sends an order again after the window, by chance with other contents. */
async function sendLate(clients: Clients, sale: Sale): Promise<void> {
  const { chance, settings } = clients.shop;
  clients.late.add(sale.orderId);
  await clients.wait(3 * settings.limits.idempotencyWindowMs);
  const lines = chance.isHit(0.3)
    ? sale.lines.map((line) => ({ ...line, amount: line.amount + 1 }))
    : sale.lines;
  const outcome = await clients.untilCertain({ ...sale, lines }, !isNew);
  if (outcome.kind === "accepted") clients.shop.happened("a sale after the window");
}

/** One action of a stock keeper. */
export async function keepStock(clients: Clients): Promise<void> {
  const { chance, settings, scheduler } = clients.shop;
  const skus = settings.skus.flat();
  const sku = skus[chance.between(0, skus.length - 1)] ?? "";
  const what = chance.between(0, 3);
  if (what === 0) return await clients.adjust(clients.id("a"), sku, chance.between(-3, 12));
  if (what === 1) {
    await clients.untilCertain({ kind: "pause", sku, reason: "", actor: "", traceparent: "" });
    await clients.wait(chance.between(0, 800));
    await clients.untilCertain({ kind: "resume", sku, reason: "", actor: "", traceparent: "" });
    return;
  }
  const stock = await clients.untilCertain({ kind: "stock", sku });
  if (stock.kind !== "stock") return;
  if (what === 2) {
    const adjustmentId = clients.id("s");
    clients.adjustments.add(adjustmentId);
    const available = stock.available + chance.between(0, 5);
    const set = { kind: "set", adjustmentId, sku, available, expected: stock.available, ...note } as const;
    const outcome = await clients.untilCertain(set);
    if (outcome.kind === "accepted") clients.note(adjustmentId, sku, outcome.seq);
    return;
  }
  const nowMs = scheduler.dateMs;
  await clients.untilCertain({
    ...{ kind: "rules", sku, expected: stock.rulesVersion, tokenRequired: false },
    ...{ actor: "", traceparent: "" },
    opensAtMs: chance.isHit(0.3) ? nowMs + chance.between(0, 500) : null,
    closesAtMs: null,
    quota: chance.isHit(0.5) ? chance.between(4, 12) : null,
  });
}
