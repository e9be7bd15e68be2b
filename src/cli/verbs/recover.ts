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
import { type LossContents, readContents, readDeclared } from "./loss_contents.ts";
import type { CliContext } from "../context/context.ts";
import { armAgain } from "./rebuild.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** Losses that were declared before, in the result. */
const declaredMax = 100;

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
    const declared = await readDeclared(context, declaredMax);
    const before = declared.length > 0
      ? `\nDeclared lost before:\n${table(declared.map((one) => ({ ...one })))}`
      : "";
    terminal.result({ recovered: [], declared }, `Nothing to recover: no number is missing${before}`);
    return exits.ok;
  }
  const contents = new Map<number, LossContents | undefined>();
  for (const loss of found) contents.set(loss.shard, await readContents(context, loss));
  confirmLoss(terminal, found, consequenceOf(found, contents), options.lost);
  const recovered = [];
  for (const loss of found) {
    const shard = await recoverShard(context, terminal, loss, options.reason);
    const { orders = null, units = null } = contents.get(loss.shard) ?? {};
    recovered.push({ ...shard, orders, units });
  }
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

function consequenceOf(
  losses: readonly Loss[],
  contents: ReadonlyMap<number, LossContents | undefined>,
): string {
  const named = (some: readonly Loss[]) => some.map(({ shard }) => shard).join(", ");
  const whole = named(losses.filter(({ isStoreWhole }) => isStoreWhole));
  const broken = named(losses.filter(({ isStoreWhole }) => !isStoreWhole));
  return [
    ...losses.flatMap(({ shard }) => {
      const known = contents.get(shard);
      return known
        ? [`The store of shard ${shard} remembers ${known.orders} orders of ${known.units} units.`]
        : [];
    }),
    whole && `The orders and the stock of the store of shard ${whole} are copied into the ledger.`,
    broken &&
    `The store of shard ${broken} does not have them either: it is rebuilt from the ledger, and ` +
      `the units that these numbers sold are for sale again.`,
  ].filter(Boolean).join(" ");
}
