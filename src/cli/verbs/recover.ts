/**
 * `recover`: continues when numbers are neither in the ledger nor in the log, as after a restore of PostgreSQL.
 *
 * A whole store remembers them: its orders, rules and stock are copied into the ledger, and nothing is for sale again. When
 * the store is lost as well, it is rebuilt from the ledger, and the units that the lost numbers sold are for sale again.
 * In both cases `log_jumps` records their number, actor and reason.
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

export interface RecoverOptions {
  /** Undefined = all shards. */
  readonly shard: number | undefined;
  /** Stored in `log_jumps` and in every correction. */
  readonly reason: string;
  /** Accepted number of lost numbers; undefined = ask. */
  readonly lost: number | undefined;
}

/** Asks with the number. Leaves shards without a loss unchanged. */
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
    whole && `The orders and the stock of the store of shard ${whole} are copied into the ledger.`,
    broken &&
    `The store of shard ${broken} does not have them either: it is rebuilt from the ledger, and ` +
      `the units that these numbers sold are for sale again.`,
  ].filter(Boolean).join(" ");
}
