/**
 * `forget`: replaces a user in the ledger by a pseudonym, and says what else still has the user, and until when.
 *
 * Stock, sums and audits do not change: only the user of movements, order lines and dead letters does. Lines that the
 * store may need again after a rebuild keep the user: those of the idempotency window, held ones, and those that count for
 * a quota. The command names them and the time at which to run it again.
 *
 * @module
 */
import { pseudonymOf } from "../../domain/pseudonym.ts";
import { loadStatements } from "../../ledger/postgres/statements.ts";
import { exits, Failure } from "../context/failure.ts";
import { allShards, type CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** Numbers of one statement: 0.1 s. */
const pageNumbers = 50_000;
/** The store drops remembered lines a window after the first one that it took, so within two. */
const windows = 2;

interface Page {
  readonly lines: number;
  readonly movements: number;
  readonly left: number;
  readonly newestMs: number | null;
}

/** Asks first. Returns 1 while lines are kept that the store needs. */
export async function forget(
  context: CliContext,
  terminal: Terminal,
  userId: string,
  reason: string,
): Promise<number> {
  if (userId === "") throw new Failure("Name the user: forget <user_id> --reason <text>", "usage");
  await context.deployment();
  terminal.confirm(
    "This replaces the user in the ledger by a random pseudonym, for good. Stock and sums do not change.",
  );
  const pseudonym = pseudonymOf(context.world.uuid());
  const windowMs = context.config.idempotencyWindowS * 1000;
  const sum = { movements: 0, lines: 0, left: 0, newestMs: 0 };
  for (const shard of allShards(context)) {
    for await (const page of forgetInShard(context, terminal, shard, userId, pseudonym, windowMs)) {
      sum.movements += page.movements;
      sum.lines += page.lines;
      sum.left += page.left;
      sum.newestMs = Math.max(sum.newestMs, page.newestMs ?? 0);
    }
  }
  const deadLetters = await finish(context, userId, pseudonym, reason, sum);
  const again = sum.left > 0 ? new Date(Math.max(sum.newestMs + windowMs, context.world.now())) : undefined;
  const elsewhere = await placesOf(context, sum.newestMs || context.world.now());
  terminal.result(
    {
      pseudonym: sum.movements + sum.lines + deadLetters > 0 ? pseudonym : null,
      movements: sum.movements,
      order_lines: sum.lines,
      dead_letters: deadLetters,
      left: sum.left,
      run_again: again?.toISOString() ?? null,
      elsewhere,
    },
    [
      `${sum.movements} movements, ${sum.lines} order lines and ${deadLetters} dead letters have a pseudonym now`,
      again === undefined
        ? "Nothing in the ledger has the user any more"
        : `${sum.left} movements keep the user, because the store may need them (retries, reservations, quotas): ` +
          `run this again after ${again.toISOString()}, and when their reservations and sale windows have ended`,
      "",
      table(elsewhere.map((one) => ({ ...one }))),
    ].join("\n"),
  );
  return sum.left === 0 ? exits.ok : exits.failed;
}

async function* forgetInShard(
  context: CliContext,
  terminal: Terminal,
  shard: number,
  userId: string,
  pseudonym: string,
  windowMs: number,
): AsyncGenerator<Page> {
  const [database, { forget_user }] = [await context.database(), await loadStatements()];
  const ledger = await context.ledger();
  const { seq = 0 } = (await ledger.progress()).find((one) => one.shard === shard) ?? {};
  const beforeMs = context.world.now() - windowMs;
  const progress = terminal.progress(`shard ${shard}`, seq);
  for (let after = 0; after < seq; after += pageNumbers) {
    const to = Math.min(seq, after + pageNumbers);
    yield* await database.query<Page>(forget_user, [shard, after, to, userId, pseudonym, beforeMs]);
    progress.show(to);
  }
  progress.end();
}

/** Dead letters, and the record of the run; no record of a run that changed nothing. */
async function finish(
  context: CliContext,
  userId: string,
  pseudonym: string,
  reason: string,
  { movements, lines }: { readonly movements: number; readonly lines: number },
): Promise<number> {
  const [database, sql] = [await context.database(), await loadStatements()];
  const [row] = await database.query<{ deadLetters: number }>(sql.forget_dead_letters, [userId, pseudonym]);
  const deadLetters = row?.deadLetters ?? 0;
  if (movements + lines + deadLetters > 0) {
    const params = [pseudonym, context.actor, reason, movements, lines, deadLetters];
    await database.query(sql.note_forgotten, params);
  }
  return deadLetters;
}

interface Place {
  readonly where: string;
  readonly holds: string;
  readonly until: string;
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
    { where: "telemetry", holds: "traces of orders", until: "the retention of the receiver" },
  ];
}
