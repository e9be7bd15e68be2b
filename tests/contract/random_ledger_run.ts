/**
 * A run of random steps on a ledger, with what is read of it in between.
 */
import assert from "node:assert/strict";
import { oneOf } from "./random_lives.ts";
import { shards, type Side, type Step } from "./random_baskets.ts";
import { dayMs, Draw } from "./random_ledger_steps.ts";

/** Rows of every table, without what each database makes for itself: ids and its own times. */
const tables = {
  movements:
    `select shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after,
    reserved_after, reason, case when reference like 'dead letter %' then 'dead letter' else reference end as reference,
    actor, traceparent, data,
    case when kind = 'correction' then 0 else round(extract(epoch from occurred_at) * 1000)::bigint end as at
    from movements order by shard, seq, line`,
  order_lines:
    `select shard, order_id, sku, user_id, amount, kind, state, units, new_stock, seq, line, hold_ms,
    case when has_quota then 1 else 0 end as counts, settled_seq, settled_units, settled_stock,
    round(extract(epoch from accepted_at) * 1000)::bigint as at,
    round(extract(epoch from expires_at) * 1000)::bigint as ends
    from order_lines order by shard, seq, line, order_id, sku`,
  stock: "select shard, sku, available, reserved, policy from stock order by shard, sku",
  log_cursor: `select shard, epoch, seq, issued_epoch, noted_head, seen_booked, seen_epoch, opening_seq
    from log_cursor order by shard`,
  dead_letters:
    `select shard, seq, substr(sqlstate, 1, 2) as class, event::text as event, case when closed_at is null then 1 else 0 end as open,
    closed_by, decision from dead_letters order by shard, seq, event::text, sqlstate`,
  compensations: `select shard, seq, sku, amount, case when done_at is null then 1 else 0 end as open
    from compensations order by shard, seq, sku`,
  log_jumps:
    "select shard, from_seq, to_seq, epoch, count, actor, reason from log_jumps order by shard, from_seq",
  recoveries: `select shard, from_seq, to_seq, source, case when done_at is null then 1 else 0 end as open
    from recoveries order by id`,
  baskets: `select order_id, attempt::text as attempt, home, user_id, lines::text as lines, decision,
    parts::text as parts, case when decided_at is null then 0 else 1 end as is_decided from baskets order by order_id`,
};

/** Rows of every table, by its name. */
async function contentsOf({ database }: Side): Promise<Record<string, unknown>> {
  const all = await Promise.all(
    Object.entries(tables).map(async ([name, query]) => [name, await database.query(query)] as const),
  );
  return Object.fromEntries(all);
}

/** What a proof of every shard finds. */
async function faultsOf({ ledger }: Side): Promise<unknown[]> {
  const faults: unknown[] = [];
  for (const shard of shards) {
    for await (const fault of ledger.prove(shard, 999 * dayMs, () => {})) faults.push(fault);
  }
  return faults;
}

/** One step or read of a run. */
export interface Action {
  readonly what: string;
  readonly run: (side: Side) => Promise<unknown>;
}

/** The run of a seed: the same for every ledger. */
export function* actionsOf(seed: number, steps: number): Generator<Action> {
  const draw = new Draw(seed);
  const of = (number: number, step: Step) => (side: Side) => step(side, side.shards[number] ?? assert.fail());
  for (let i = 0; i < steps; i++) {
    const number = oneOf(draw.chance, shards);
    yield { what: `step ${i}`, run: of(number, draw.step(number)) };
    if (i % 3 === 0) yield { what: `the tables after step ${i}`, run: contentsOf };
    const seen = oneOf(draw.chance, shards);
    for (const [what, read] of Object.entries(draw.reads(seen))) {
      if (draw.chance.isHit(0.3)) yield { what: `${what} after step ${i}`, run: of(seen, read) };
    }
  }
  yield { what: "the tables", run: contentsOf };
  yield { what: "the proof", run: faultsOf };
}
