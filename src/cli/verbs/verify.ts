/**
 * `verify`: proves that the ledger is complete and consistent.
 *
 * @module
 */
import type { Fault, ProofWalk } from "../../ledger/proof_walk.ts";
import { exits } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** A ledger with more faults than this is not repaired line by line. */
const faultsMax = 1000;
const dayMs = 86_400_000;

export interface ProvenShard {
  readonly shard: number;
  /** At most {@link faultsMax}. */
  readonly faults: readonly Fault[];
  /** Its sums; undefined when there were too many faults to continue. */
  readonly walk: ProofWalk | undefined;
}

/** Prints all faults. Returns 1 when there are any. */
export async function verify(
  context: CliContext,
  terminal: Terminal,
  only: number | undefined,
): Promise<number> {
  const shards = chosenShards(context, only);
  await context.deployment();
  const rows: Record<string, string | number>[] = [];
  let movements = 0;
  for (const shard of shards) {
    const proven = await proveOne(context, terminal, shard);
    movements += proven.walk?.movements ?? 0;
    rows.push(...proven.faults.map((fault) => ({ shard, ...fault })));
    if (!proven.walk) {
      terminal.note(`shard ${shard}: more than ${faultsMax} faults, the rest was not checked`);
    }
  }
  const whole = `The ledger is whole: ${movements} movements in ${shards.length} shards`;
  terminal.result({ movements, faults: rows }, rows.length === 0 ? whole : table(rows));
  return rows.length === 0 ? exits.ok : exits.failed;
}

export async function proveOne(context: CliContext, terminal: Terminal, shard: number): Promise<ProvenShard> {
  const ledger = await context.ledger();
  const { seq = 0 } = (await ledger.progress()).find((one) => one.shard === shard) ?? {};
  const progress = terminal.progress(`shard ${shard}`, seq);
  const proof = ledger.prove(shard, context.config.retentionDays * dayMs, progress.show);
  const faults: Fault[] = [];
  try {
    for (;;) {
      const step = await proof.next();
      if (step.done) return { shard, faults, walk: step.value };
      if (faults.push(step.value) === faultsMax) return { shard, faults, walk: undefined };
    }
  } finally {
    await proof.return(undefined);
    progress.end();
  }
}
