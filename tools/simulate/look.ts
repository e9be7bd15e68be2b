/**
 * The state of a run that a fault meets, for the table of faults and states.
 *
 * @module
 */
import type { State } from "./coverage.ts";
import type { Run } from "./run.ts";

/** The states that hold now. */
export function statesOf(run: Run): State[] {
  const { scheduler, network, site: { stores, ledger } } = run;
  const found = new Set<State>();
  for (const { shard, state } of stores) {
    const [row] = ledger.query<{ seq: number }>("select seq from log_cursor where shard = ?1", [shard]);
    const stock = state.shard.stock();
    found.add(state.isRestoring ? "rebuilding" : state.isArmed ? "selling" : "unarmed");
    if (row && row.seq < state.shard.seq) found.add("behind");
    if (stock.some(({ reserved }) => reserved > 0)) found.add("holds");
    if (stock.some(({ available }) => available === 0)) found.add("sold out");
  }
  const [open] = ledger.query<{ n: number }>("select count(*) as n from compensations where done_at is null");
  if (open && open.n > 0) found.add("returning");
  if (network.isHeld) found.add("link down");
  const processes = [...run.processes("api"), ...run.processes("worker")];
  if (processes.some(({ frozenUntilMs }) => frozenUntilMs > scheduler.nowMs)) found.add("frozen");
  return [...found];
}
