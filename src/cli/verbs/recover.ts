/**
 * `recover`: goes on when numbers are neither in the ledger nor in the log, as after a restore of PostgreSQL.
 *
 * A store that is whole remembers them: its orders, rules and figures are taken into the ledger, and nothing is for sale
 * again.
 * When the store is lost as well, it is filled from the ledger, and what the lost numbers sold is for sale again. Either
 * way `log_jumps` keeps how many they were, who accepted it and why.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import { exits } from "../context/failure.ts";
import { acceptLoss, confirmLoss, type Loss, stopAndFindLoss } from "./loss.ts";
import type { CliContext } from "../context/context.ts";
import { armAgain } from "./rebuild.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** What the operator said. */
export interface RecoverOptions {
  /** This shard alone; undefined = all. */
  readonly shard: number | undefined;
  /** Why: kept in `log_jumps` and in every correction. */
  readonly reason: string;
  /** How many numbers may be lost; undefined = ask. */
  readonly lost: number | undefined;
}

/** Asks with the count. Does nothing to a shard that has lost nothing. */
export async function recover(
  context: CliContext,
  terminal: Terminal,
  options: RecoverOptions,
): Promise<number> {
  await context.deployment();
  const losses: Loss[] = [];
  for (const shard of chosenShards(context, options.shard)) {
    losses.push(await stopAndFindLoss(context, shard));
  }
  const found = losses.filter(({ lost }) => lost > 0);
  if (found.length === 0) {
    terminal.result({ recovered: [] }, "Nothing to recover: no number is missing");
    return exits.ok;
  }
  confirmLoss(terminal, found, consequenceOf(found), options.lost);
  const recovered = [];
  for (const loss of found) recovered.push(await recoverShard(context, terminal, loss, options.reason));
  terminal.result({ recovered }, table(recovered));
  return exits.ok;
}

async function recoverShard(context: CliContext, terminal: Terminal, loss: Loss, reason: string) {
  const { shard, isStoreWhole } = loss;
  const source = isStoreWhole ? "store" : "ledger";
  const armed = await armAgain(context, terminal, shard, () => acceptLoss(context, loss, source, reason));
  const [row] = await (await context.database()).query<{ corrected: number; events: number }>(
    (await loadStatements()).count_recovered,
    [shard, loss.fromSeq, loss.toSeq],
  );
  const { corrected = 0, events = 0 } = row ?? {};
  return { ...armed, figures_of: source, recalled_events: events, corrected_skus: corrected };
}

function consequenceOf(losses: readonly Loss[]): string {
  const named = (some: readonly Loss[]) => some.map(({ shard }) => shard).join(", ");
  const whole = named(losses.filter(({ isStoreWhole }) => isStoreWhole));
  const broken = named(losses.filter(({ isStoreWhole }) => !isStoreWhole));
  return [
    whole && `The orders and figures that the store of shard ${whole} has are taken into the ledger.`,
    broken &&
    `The store of shard ${broken} does not have their figures either: it is filled from the ledger, and ` +
      `what these numbers sold is for sale again.`,
  ].filter(Boolean).join(" ");
}
