/**
 * What must hold at the end of a run, when faults have stopped and everything has settled.
 *
 * @module
 */
import type { Clients } from "./clients.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { Losses } from "./losses.ts";
import type { SimulatedStore } from "./store.ts";

interface Quantities {
  readonly sku: string;
  readonly available: number;
  readonly reserved: number;
}

/** What a run ended with. */
export interface End {
  readonly stores: readonly SimulatedStore[];
  readonly ledger: SimulatedLedger;
  readonly clients: Clients;
  /** Whether the clock of a store was stepped. */
  readonly isClockStepped: boolean;
  /** What servers lost. */
  readonly losses: Losses;
  /** Whether a retry may have been sold again within the window: a clock was stepped, or keys were put back. */
  readonly isForgetful: boolean;
}

/** The first invariant that does not hold; undefined when all do. */
export async function brokenInvariant(end: End): Promise<string | undefined> {
  return differing(end) ?? missing(end) ?? halfSold(end) ?? soldThoughRefused(end) ?? soldTwice(end) ??
    unbalanced(end) ??
    await unproven(end);
}

function differing({ stores, ledger }: End): string | undefined {
  for (const { shard, state } of stores) {
    const rows = ledger.query<Quantities>("select sku, available, reserved from stock where shard = ?1", [
      shard,
    ]);
    const [inLedger, inStore] = [rows, state.shard.stock()].map((rows) =>
      JSON.stringify(rows.map(({ sku, available, reserved }) => [sku, available, reserved]).sort())
    );
    if (inLedger !== inStore) return `the ledger has ${inLedger}, store-${shard} ${inStore}`;
  }
  return undefined;
}

function missing({ ledger, clients, losses }: End): string | undefined {
  const rows = ledger.query<{ shard: number; id: string; seq: number }>(
    "select shard, order_id as id, seq from movements where kind <> 'correction'",
  );
  const known = new Set(rows.map(({ shard, id, seq }) => `${shard} ${id} ${seq}`));
  const found = clients.accepted.find((accepted) => {
    const { shard, id, seq } = accepted;
    return !known.has(`${shard} ${id} ${seq}`) && !losses.isLost(accepted);
  });
  return found &&
    `${found.id} was accepted by shard ${found.shard} with number ${found.seq}, and the ledger does not have it`;
}

/** A basket of several shards is sold in each of them, or in none; in each of them if its buyer heard so. */
function halfSold({ ledger, clients, losses: { orders } }: End): string | undefined {
  const rows = ledger.query<{ id: string; state: string; n: number }>(
    "select order_id as id, state, count(*) as n from order_lines where kind = 'prepare' group by order_id, state",
  );
  const held = rows.find(({ state }) => state !== "accepted");
  if (held) return `${held.n} lines of basket ${held.id} are ${held.state}`;
  const sold = new Map(rows.map(({ id, n }) => [id, n]));
  const accepted = new Set(clients.accepted.map(({ id }) => id));
  for (const [id, lines] of clients.baskets) {
    if (orders.has(id)) continue;
    const n = sold.get(id) ?? 0;
    if (n !== lines && (n > 0 || accepted.has(id))) return `${n} of ${lines} lines of basket ${id} are sold`;
  }
  return undefined;
}

function soldThoughRefused({ ledger, clients, isForgetful }: End): string | undefined {
  if (isForgetful) return undefined;
  const rows = ledger.query<{ id: string }>("select order_id as id from order_lines");
  const found = rows.find(({ id }) => clients.refused.has(id) && !clients.late.has(id));
  return found && `order ${found.id} was refused, and the ledger has it`;
}

/** The store forgets an order only after the window: only what was sent again after it may have been sold twice. */
function soldTwice({ ledger, clients, isForgetful }: End): string | undefined {
  if (isForgetful) return undefined;
  const rows = ledger.query<{ id: string }>(
    "select m.order_id as id from compensations c join movements m on m.shard = c.shard and m.seq = c.seq",
  );
  const found = rows.find(({ id }) => !clients.late.has(id));
  return found && `order ${found.id} was sold twice within the window`;
}

/** Units that were stocked = available + reserved + sold, where a second sale with other contents counts as sold. */
function unbalanced({ ledger, clients, stores, isClockStepped }: End): string | undefined {
  const sum = (text: string) =>
    new Map(ledger.query<{ sku: string; n: number }>(text).map((row) => [row.sku, row.n]));
  const here = sum("select sku, available + reserved as n from stock");
  const sold = sum(
    "select sku, sum(units) as n from order_lines where state in ('accepted', 'confirmed') group by sku",
  );
  const aside = sum(
    `select m.sku, sum(-m.delta - m.reserved_delta) as n from movements m
      join dead_letters d on d.shard = m.shard and d.seq = m.seq and d.event ->> 'kind' = m.kind
        and d.event ->> 'id' = m.order_id group by m.sku`,
  );
  // Units that were returned before the worker could: they are not given back a second time.
  const kept = sum(
    `select c.sku, sum(c.amount - m.delta) as n from compensations c join movements m on m.shard = c.shard
      and m.order_id = char(2) || 'returned-' || c.shard || '-' || c.seq and m.sku = c.sku group by c.sku`,
  );
  const corrected = sum(
    "select sku, sum(delta + reserved_delta) as n from movements where kind = 'correction' group by sku",
  );
  // Of a second sale whose first one the ledger lost: the first one is in a correction, and the second has the line.
  const given = sum(
    `select m.sku, sum(m.delta) as n from movements m where m.kind in ('adjust', 'create')
      and m.order_id = char(2) || 'returned-' || m.shard || '-' || cast(
        substr(m.order_id, length(char(2) || 'returned-' || m.shard || '-') + 1) as integer
      ) and not exists (
        select 1 from compensations c where c.shard = m.shard and c.sku = m.sku
          and m.order_id = char(2) || 'returned-' || c.shard || '-' || c.seq
      ) group by m.sku`,
  );
  const stocked = new Map<string, number>();
  const made = new Map<string, number>();
  const adjusted = ledger.query<{ shard: number; id: string; seq: number; sku: string; delta: number }>(
    "select shard, order_id as id, seq, sku, delta from movements where kind in ('adjust', 'create', 'set')",
  );
  for (const { shard, id, seq, sku, delta } of adjusted) {
    if (!clients.adjustments.has(id)) continue;
    const atMs = stores[shard]?.issued.get(`${id} ${seq}`)?.atMs ?? 0;
    const afterMs = atMs - (made.get(`${id} ${sku}`) ?? -Infinity);
    // A clock that is set back gives a frozen process time to send on what it has looked up before the window.
    const isExcused = isClockStepped && afterMs > clients.shop.settings.limits.idempotencyWindowMs;
    if (made.has(`${id} ${sku}`) && !isExcused) return `the adjustment ${id} of '${sku}' was made twice`;
    made.set(`${id} ${sku}`, atMs);
    stocked.set(sku, (stocked.get(sku) ?? 0) + delta);
  }
  for (const sku of clients.shop.settings.skus.flat()) {
    const at = (sums: ReadonlyMap<string, number>) => sums.get(sku) ?? 0;
    const now = at(here) + at(sold) + at(aside) + at(kept);
    const expected = at(stocked) + at(corrected) + at(given);
    if (now !== expected) return `'${sku}' has ${now} units, and ${expected} were stocked`;
  }
  return undefined;
}

/** The product's own proof of its ledger. */
async function unproven({ ledger, stores }: End): Promise<string | undefined> {
  for (const { shard } of stores) {
    for await (const fault of ledger.direct().prove(shard, 86_400_000, () => {})) {
      return `the proof of shard ${shard} finds ${JSON.stringify(fault)}`;
    }
  }
  return undefined;
}
