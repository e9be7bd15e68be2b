/**
 * Random commands: few ids, so that replays, conflicts and sell-outs happen all the time, and among them
 * the ids that break parsers.
 */
import fc from "fast-check";
import type { Prepare } from "../../src/domain/basket.ts";
import type { Command, Line, Recalled, Sale } from "../../src/domain/command.ts";
import { type RememberedLine, unsettled } from "../../src/domain/outcome.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { adjust, decide, deduct } from "./store_suite.ts";

/** Ids that look like keys, Lua, SQL, JSON or formats, all of them legal. */
export const awkwardIds: readonly string[] = [
  "{inventory:0}:stock",
  "'; drop table movements; --",
  '"]]--redis.call("FLUSHALL")',
  "%d%s%n\\u0000",
  "日本語-🎟️",
  "null",
  "__proto__",
  "1e999",
  " / ",
];

const sku = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("S1", "S2", "S3") },
  { weight: 1, arbitrary: fc.constantFrom(awkwardIds[0] ?? "", awkwardIds[2] ?? "", "missing") },
);
const id = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => `id-${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(...awkwardIds) },
);
const user = fc.constantFrom("u1", "u2", awkwardIds[1] ?? "");
const amount = fc.constantFrom(1, 1, 1, 1, 2, 2, 3, 1_000_000);

/** Few enough that a reservation is met again and again. */
const busyId = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("id-1", "id-2", "id-3") },
  { weight: 1, arbitrary: id },
);

const lines: fc.Arbitrary<Line[]> = fc
  .uniqueArray(fc.tuple(sku, amount), { selector: ([s]) => s, minLength: 1, maxLength: 4 })
  .map((pairs) => pairs.map(([sku, amount]) => ({ sku, amount })));

function soldLine(some: Partial<RememberedLine>): RememberedLine {
  const line = {
    sku: "S1",
    kind: "",
    amount: 0,
    newStock: 0,
    seq: 0,
    atMs: 1,
    userId: "u1",
  };
  return { ...unsettled, ...line, ...some };
}

const origin = { actor: "till", traceparent: "" } as const;
/** The actor: none where access is open. */
const actor = fc.constantFrom("till", "till", "shop", "");
/** Whose lines may be changed: mostly all, as few commands would get further otherwise. */
const owner = fc.constantFrom("", "", "", "till", "shop");

/** Long enough to outlive the run: what lapses is tested by time, not by chance. */
const holdMs = fc.constantFrom(3_600_000, 7_200_000, 14_400_000);

const sale: fc.Arbitrary<Sale | Prepare> = fc
  .tuple(
    fc.constantFrom("order" as const, "reserve" as const, "reserve" as const, "prepare" as const),
    busyId,
    user,
    lines,
    holdMs,
    fc.boolean(),
    actor,
  )
  .map(([kind, orderId, userId, lines, holdMs, hasToken, actor]) => {
    const some = { ...deduct(orderId, "", 1, userId), actor, lines, hasToken };
    if (kind === "prepare") return { ...some, kind, holdMs: 0, attempt: `0/${holdMs}` };
    return { ...some, kind, holdMs: kind === "reserve" ? holdMs : 0 };
  });

/** What the ledger may have of an order: nothing, or two of S1; of a return: nothing, or one of S1. */
const ledgerWord: fc.Arbitrary<Recalled> = fc.record({
  appliedSeq: fc.constantFrom(0, 1_000_000),
  sold: fc.constantFrom([], [soldLine({ kind: "deduct", amount: 2, units: 2, seq: 1, actor: "shop" })]),
  returned: fc.constantFrom([], [soldLine({ kind: "return", amount: 1, seq: 2 })]),
});

/** Stands for the number that prepared lines of the order, when the batch is sent. */
const preparedNow = -1;

const ofOrder: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(busyId, fc.option(lines), owner).map(([orderId, lines, owner]): Command => ({
    kind: "confirm",
    orderId,
    lines,
    owner,
    ...origin,
  })),
  fc.tuple(busyId, owner).map(([orderId, owner]): Command => ({ kind: "cancel", orderId, owner, ...origin })),
  fc.tuple(busyId, holdMs, owner).map(([orderId, holdMs, owner]): Command => ({
    kind: "extend",
    orderId,
    holdMs,
    owner,
    ...origin,
  })),
  fc.tuple(
    fc.constantFrom("commit" as const, "abort" as const),
    busyId,
    fc.constantFrom(preparedNow, preparedNow, 3),
  )
    .map(([kind, orderId, preparedSeq]): Command => ({ kind, orderId, preparedSeq, ...origin })),
  fc.tuple(busyId, busyId, lines, fc.option(ledgerWord), owner).map((
    [orderId, returnId, lines, ledger, owner],
  ): Command => ({
    kind: "return",
    orderId,
    returnId,
    lines,
    reason: "broken",
    ledger,
    owner,
    ...origin,
  })),
);

/** Commits and aborts with the numbers that a read before the batch finds. */
export async function withNumbers(store: StockStore, batch: readonly Command[]): Promise<Command[]> {
  return await Promise.all(batch.map(async (command) => {
    const isOpen = command.kind === "commit" || command.kind === "abort";
    if (!isOpen || command.preparedSeq !== preparedNow) return command;
    const [found] = await decide(store, { kind: "lookup", orderId: command.orderId });
    const lines = found?.kind === "order" ? found.lines : [];
    return { ...command, preparedSeq: lines.findLast(({ kind }) => kind === "prepare")?.seq ?? 0 };
  }));
}

/** Stands for the version that the rules of the SKU have when the batch is sent. */
export const currentVersion = -1;

const hourMs = 3_600_000;
const moment = fc.constantFrom(
  null,
  null,
  Date.now() - 30 * hourMs,
  Date.now() - hourMs,
  Date.now() + hourMs,
);

const ofStock: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(id, sku, fc.constantFrom(-3, -1, 0, 1, 2, 10, 1_000_000_000_000)).map((args) => adjust(...args)),
  fc.tuple(id, sku, fc.constantFrom(0, 1, 5, 10), fc.constantFrom(null, 0, 1, 5, 10)).map(
    ([adjustmentId, sku, available, expected]): Command => ({
      kind: "set",
      adjustmentId,
      sku,
      available,
      expected,
      reason: "",
      reference: "",
      ...origin,
    }),
  ),
  fc.tuple(fc.constantFrom("pause" as const, "resume" as const), sku).map(([kind, sku]): Command => ({
    kind,
    sku,
    reason: "",
    ...origin,
  })),
  fc.tuple(
    sku,
    moment,
    moment,
    fc.constantFrom(null, null, 1, 3),
    fc.boolean(),
    fc.constantFrom(currentVersion, currentVersion, currentVersion, null, 0, 7),
  ).map(
    ([sku, opensAtMs, closesAtMs, quota, tokenRequired, expected]): Command => ({
      kind: "rules",
      sku,
      opensAtMs,
      closesAtMs,
      quota,
      tokenRequired,
      expected,
      ...origin,
    }),
  ),
);

/** One random command. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(id, sku, amount, user).map((args) => deduct(...args)) },
  { weight: 5, arbitrary: sale },
  { weight: 5, arbitrary: ofOrder },
  { weight: 5, arbitrary: ofStock },
  { weight: 1, arbitrary: sku.map((sku): Command => ({ kind: "stock", sku })) },
  { weight: 1, arbitrary: id.map((orderId): Command => ({ kind: "lookup", orderId })) },
);

/** Something to sell, so that a run does not begin with a hundred refusals. */
const opening: Command[] = ["S1", "S2", "S3"].map((sku) => adjust("opening", sku, 30));

/** What becomes of a command that is sent again: nothing, or one part of its contents is another. */
const anyChange = fc.constantFrom<(command: Command) => Command>(
  (command) => command,
  (command) => "userId" in command ? { ...command, userId: command.userId + "+" } : command,
  (command) => "holdMs" in command ? { ...command, holdMs: command.holdMs / 2 } : command,
  (command) => "owner" in command ? { ...command, owner: "shop" } : command,
  (command) => "delta" in command ? { ...command, delta: command.delta + 1 } : command,
  (command) => "available" in command ? { ...command, available: command.available + 1 } : command,
  (command) => "expected" in command ? { ...command, expected: (command.expected ?? 0) + 1 } : command,
  (command) => withLines(command, (lines) => lines.toReversed()),
  (command) => withLines(command, (lines) => lines.length > 1 ? lines.slice(1) : lines),
  (command) =>
    withLines(command, (lines) => lines.map((line, i) => ({ ...line, amount: line.amount + (i && 1) }))),
  (command) => withLines(command, (lines) => lines.map((line) => ({ ...line, amount: line.amount + 1 }))),
  (command) => command.kind === "order" ? { ...command, kind: "reserve", holdMs: hourMs } : command,
  (command) =>
    command.kind === "confirm" ? { kind: "cancel", owner: "", orderId: command.orderId, ...origin } : command,
);

function withLines(command: Command, change: (lines: readonly Line[]) => readonly Line[]): Command {
  return "lines" in command && command.lines !== null
    ? { ...command, lines: change(command.lines) }
    : command;
}

/** A new command, or one that was sent before, `ago` commands earlier. */
const anySent = fc.oneof(
  { weight: 3, arbitrary: anyCommand.map((command) => ({ command, ago: 0, change: same })) },
  {
    weight: 1,
    arbitrary: fc.tuple(anyCommand, fc.integer({ min: 1, max: 30 }), anyChange).map((
      [command, ago, change],
    ) => ({
      ...{ command, ago, change },
    })),
  },
);

function same(command: Command): Command {
  return command;
}

/** Random batches of random commands. Some repeat an earlier one, with the same contents or with one part changed. */
export const anyBatches: fc.Arbitrary<Command[][]> = fc.array(
  fc.array(anySent, { minLength: 1, maxLength: 20 }),
  { minLength: 1, maxLength: 12 },
).map((batches) => {
  const sent: Command[] = [];
  const commands = batches.map((batch) =>
    batch.map(({ command, ago, change }) => {
      const earlier = ago > 0 ? sent.at(-ago) : undefined;
      const next = earlier ? change(earlier) : command;
      sent.push(next);
      return next;
    })
  );
  return [opening, ...commands];
});

/** The seed of this run: `TEST_SEED` repeats one. Printed, so that a failure can be seen again. */
export function runSeed(): number {
  const given = Deno.env.get("TEST_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}
