/**
 * `forget`: replaces a user in the ledger by a pseudonym, and says what else still has the user, and until when.
 *
 * Stock, sums and audits do not change: only the user of movements, order lines and dead letters does. Lines that the
 * store may need again after a rebuild keep the user: those of the idempotency window, held ones, and those that count for
 * a quota. The command names them and the time at which to run it again.
 *
 * The ledger of the embedded default belongs to the running process, so it is changed while that is stopped. The memory
 * store is filled from it at each start, and follows the same rules.
 *
 * @module
 */
import { pseudonymOf } from "../../domain/pseudonym.ts";
import type { ForgottenRows } from "../../ledger/forgetting.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { changeStopped, NotRewritten } from "../../ledger/sqlite/ledger.ts";
import { describeError } from "../../runtime/logger.ts";
import { exits, Failure } from "../context/failure.ts";
import { allShards, type CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** The store drops remembered lines a window after the first one that it took, so within two. */
const windows = 2;

interface Result extends ForgottenRows {
  /** Null = nothing was replaced. */
  readonly pseudonym: string | null;
  readonly deadLetters: number;
}

/** Asks first. Returns 1 while lines are kept that the store needs. */
export async function forget(
  context: CliContext,
  terminal: Terminal,
  userId: string,
  reason: string,
): Promise<number> {
  if (userId === "") throw new Failure("Name the user: forget <user_id> --reason <text>", "usage");
  const { store, idempotencyWindowS } = context.config;
  const result = store.kind === "embedded"
    ? await forgetStopped(context, terminal, store.dataDir, userId, reason)
    : await forgetRunning(context, terminal, userId, reason);
  const { left, newestMs } = result;
  const nowMs = context.world.now();
  const again = left > 0 ? new Date(Math.max(newestMs + idempotencyWindowS * 1000, nowMs)) : undefined;
  const elsewhere = store.kind === "embedded"
    ? embeddedPlaces(store.dataDir)
    : await placesOf(context, newestMs || nowMs);
  terminal.result(
    {
      pseudonym: result.pseudonym,
      movements: result.movements,
      order_lines: result.lines,
      dead_letters: result.deadLetters,
      left,
      run_again: again?.toISOString() ?? null,
      elsewhere,
    },
    [
      `${result.movements} movements, ${result.lines} order lines and ${result.deadLetters} dead letters have a pseudonym now`,
      again === undefined
        ? "Nothing in the ledger has the user any more"
        : `${left} rows keep the user, because the store may need them (retries, reservations, quotas): ` +
          `run this again after ${again.toISOString()}, and when their reservations and sale windows have ended`,
      "",
      table(elsewhere.map((one) => ({ ...one }))),
    ].join("\n"),
  );
  return left === 0 ? exits.ok : exits.failed;
}

async function forgetRunning(
  context: CliContext,
  terminal: Terminal,
  userId: string,
  reason: string,
): Promise<Result> {
  await context.deployment();
  return await forgetIn(context, terminal, await context.ledger(), userId, reason);
}

async function forgetStopped(
  context: CliContext,
  terminal: Terminal,
  folder: string,
  userId: string,
  reason: string,
): Promise<Result> {
  const { world, config: { namespace, shards } } = context;
  try {
    return await changeStopped(
      { folder, namespace, world },
      (ledger) => forgetIn(context, terminal, ledger, userId, reason, () => ledger.prepare(shards)),
    );
  } catch (error) {
    if (error instanceof Deno.errors.Busy) {
      throw new Failure(
        `Cannot forget a user in DATA_DIR '${folder}' as another Holdfast process uses it: stop it first, and start it ` +
          "again afterwards",
      );
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(
        `Cannot forget a user in DATA_DIR '${folder}' as it has no ledger.db: set DATA_DIR`,
        "usage",
      );
    }
    if (error instanceof NotRewritten) {
      throw new Failure(
        `The rows have a pseudonym now, but free pages of the file may still have the user: run this again. ` +
          error.message,
      );
    }
    if (error instanceof RangeError) throw new Failure(describeError(error), "usage");
    throw error;
  }
}

/** @param prepare runs after the confirmation */
async function forgetIn(
  context: CliContext,
  terminal: Terminal,
  ledger: Ledger,
  userId: string,
  reason: string,
  prepare?: () => Promise<unknown>,
): Promise<Result> {
  terminal.confirm(
    "This replaces the user in the ledger by a random pseudonym, for good. Stock and sums do not change.",
  );
  await prepare?.();
  const pseudonym = pseudonymOf(context.world.uuid());
  const beforeMs = context.world.now() - context.config.idempotencyWindowS * 1000;
  const seqs = new Map((await ledger.progress()).map(({ shard, seq }) => [shard, seq]));
  let [movements, lines, left, newestMs] = [0, 0, 0, 0];
  for (const shard of allShards(context)) {
    const progress = terminal.progress(`shard ${shard}`, seqs.get(shard) ?? 0);
    const rows = await ledger.forgetting.inShard(shard, { userId, pseudonym, beforeMs }, progress.show);
    progress.end();
    movements += rows.movements;
    lines += rows.lines;
    left += rows.left;
    newestMs = Math.max(newestMs, rows.newestMs);
  }
  const note = { actor: context.actor, reason, movements, lines };
  const { deadLetters, baskets } = await ledger.forgetting.finish({ userId, pseudonym }, note);
  const isChanged = movements + lines + deadLetters > 0;
  return {
    pseudonym: isChanged ? pseudonym : null,
    movements,
    lines,
    deadLetters,
    left: left + baskets,
    newestMs,
  };
}

interface Place {
  readonly where: string;
  readonly holds: string;
  readonly until: string;
}

/** Of every deployment. */
const telemetry: Place = {
  where: "telemetry",
  holds: "traces of orders",
  until: "the retention of the receiver",
};

/** What has the user in addition to a folder whose file was rewritten. */
function embeddedPlaces(dataDir: string): Place[] {
  return [
    {
      where: "backups",
      holds: "every copy made before now, by 'inventory backup' or of the folder",
      until: "you delete them; run this again after a restore",
    },
    {
      where: "disk",
      holds: `freed blocks and snapshots of ${dataDir}; the file was rewritten, its WAL is empty`,
      until: "the file system overwrites the blocks, and you delete the snapshots",
    },
    telemetry,
  ];
}

/** What has the user in addition to the ledger. */
async function placesOf(context: CliContext, newestMs: number): Promise<Place[]> {
  const { idempotencyWindowS, userLimitMs } = context.config;
  const forgottenMs = newestMs + windows * idempotencyWindowS * 1000;
  const topic = await context.topic();
  const retentionMs = topic?.kind === "found" ? topic.facts.retentionMs : -1;
  return [
    {
      where: "Redis",
      holds: "remembered orders",
      until: `${new Date(forgottenMs).toISOString()} at the latest, if the shard still sells then`,
    },
    {
      where: "Redis",
      holds: "limit per user and SKU",
      until: `${userLimitMs} ms after a purchase, and one more interval`,
    },
    {
      where: "Redis",
      holds: "units bought under a quota",
      until: "a minute after the sale window has ended",
    },
    { where: "Redis", holds: "the log", until: "10,000 further events of the shard were applied" },
    ...topic === null ? [] : [{
      where: "Kafka",
      holds: "the topic's messages",
      until: retentionMs >= 0
        ? `${Math.ceil(retentionMs / 86_400_000)} days after the message (retention.ms)`
        : "they are deleted by hand: retention.ms is unlimited or unknown",
    }],
    {
      where: "backups",
      holds: "every copy made before now",
      until: "you delete them; run this again after a restore",
    },
    telemetry,
  ];
}
