/**
 * What must hold at the end of a run, when faults have stopped and everything has settled.
 *
 * @module
 */
import { type AcceptedOrder, skus, unitsAtStart } from "./clients.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { SimulatedStore } from "./store.ts";

interface Quantities {
  readonly sku: string;
  readonly available: number;
  readonly reserved: number;
}

/** The first invariant that does not hold; undefined when all do. */
export async function brokenInvariant(
  store: SimulatedStore,
  ledger: SimulatedLedger,
  accepted: readonly AcceptedOrder[],
  isLost: (order: AcceptedOrder) => boolean,
): Promise<string | undefined> {
  return differing(store, ledger) ?? missing(ledger, accepted, isLost) ??
    unbalanced(ledger) ??
    await unproven(ledger);
}

function differing(store: SimulatedStore, ledger: SimulatedLedger): string | undefined {
  const sides = [
    ledger.query<Quantities>("select sku, available, reserved from stock"),
    store.state.shard.stock(),
  ];
  const [inLedger, inStore] = sides.map((rows) =>
    JSON.stringify(rows.map(({ sku, available, reserved }) => [sku, available, reserved]).sort())
  );
  return inLedger === inStore ? undefined : `the ledger has ${inLedger}, the store ${inStore}`;
}

function missing(
  ledger: SimulatedLedger,
  accepted: readonly AcceptedOrder[],
  isLost: (order: AcceptedOrder) => boolean,
): string | undefined {
  const rows = ledger.query<{ id: string; seq: number }>(
    "select order_id as id, seq from movements where kind in ('deduct', 'reserve') and line < 1000",
  );
  const known = new Set(rows.map(({ id, seq }) => `${id} ${seq}`));
  const order = accepted.find((order) => !known.has(`${order.orderId} ${order.seq}`) && !isLost(order));
  return order &&
    `order ${order.orderId} was accepted with number ${order.seq}, and the ledger does not have it`;
}

/** Units at the start = available + reserved + sold, where a second sale with other contents counts as sold. */
function unbalanced(ledger: SimulatedLedger): string | undefined {
  const sum = (text: string) =>
    new Map(ledger.query<{ sku: string; n: number }>(text).map((r) => [r.sku, r.n]));
  const here = sum("select sku, available + reserved as n from stock");
  const sold = sum(
    "select sku, sum(units) as n from order_lines where state in ('accepted', 'confirmed') group by sku",
  );
  const aside = sum(
    `select sku, sum(-delta - reserved_delta) as n from movements
      where seq in (select seq from dead_letters) and line < 1000 group by sku`,
  );
  const stocked = sum(
    "select sku, sum(delta) as n from movements where order_id = 'start-' || sku group by sku",
  );
  for (const sku of skus) {
    const now = (here.get(sku) ?? 0) + (sold.get(sku) ?? 0) + (aside.get(sku) ?? 0);
    const expected = Math.min(unitsAtStart, stocked.get(sku) ?? 0); // a flushed store may have lost it
    if (now !== expected) return `'${sku}' has ${now} units, and ${expected} were stocked`;
  }
  return undefined;
}

/** The product's own proof of its ledger. */
async function unproven(ledger: SimulatedLedger): Promise<string | undefined> {
  for await (const fault of ledger.direct().prove(0, 86_400_000, () => {})) {
    return `the ledger's proof finds ${JSON.stringify(fault)}`;
  }
  return undefined;
}
