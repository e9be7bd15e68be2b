/**
 * Planted faults of the product. Each is a switch in the simulation's wrappers; `src` knows nothing of them.
 *
 * @module
 */

import type { MemoryShard } from "../../src/decide/memory/decide.ts";
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { Timed } from "../../src/decide/store.ts";
import type { InventoryEvent, LogEntry } from "../../src/domain/event.ts";
import type { Decided } from "../../src/domain/outcome.ts";
import type { EventLog } from "../../src/log/event_log.ts";

/** By name: what goes wrong. */
export const plants = {
  "credit-on-timeout": "the API gives units back when it does not know what became of a sale",
  "xadd-last": "the store appends the event after its stock, in a step of its own",
  "arming-trusts-script-cache": "a store that restarted counts as armed",
  "trim-before-commit": "the log is trimmed when it is read",
  "cursor-outside-transaction": "the ledger's cursor moves in a transaction of its own",
  "epoch-not-raised": "an arming uses the last epoch again",
  "rebuild-without-token":
    "a worker that was frozen in a rebuild writes on into a store that another one fills",
  "arm-without-chunk-count": "a rebuilt store is armed without its last chunks, which an older copy lacks",
  "rebuild-forgets-second-hold": "a rebuilt store does not know reservations that are dead letters",
  "recovery-leaves-holds-open": "a recovery leaves reservations open that ended with lost numbers",
  "stale-end-of-log": "a verification takes the end of the log that a read of an earlier lease found",
  "topic-vouches-for-store": "an event that only the topic has counts as one of the store's log",
  "cache-answers-retry": "a retry says that it is a first attempt",
  "dead-letter-skips-movement": "the movement of a dead letter is not in the ledger",
  "answer-before-wait": "an answer does not wait for the disk",
  "compensation-twice": "units of a second sale are given back twice",
  "hold-released-twice": "a cancelled hold is given back twice",
  "commit-unrecorded": "the API sells a basket of several shards without recording the decision",
  "decision-forgotten": "the decision on a basket is deleted before every shard has carried it out",
  "prepared-hold-lapses": "prepared lines lapse by time",
  "second-prepare-stays": "what a basket prepared again after the window is not aborted",
} as const;

/** The name of a plant. */
export type Plant = keyof typeof plants;

/** Whether a text names a plant. */
export function isPlant(name: string): name is Plant {
  return Object.hasOwn(plants, name);
}

/** The plant `topic-vouches-for-store`: a number that the store does not have is read as the log had it last. */
export function vouchingForStore(
  control: ShardControl,
  log: EventLog,
): { readonly control: ShardControl; readonly log: EventLog } {
  const read = new Map<string, LogEntry>();
  return {
    control: {
      ...control,
      async entries(shard, after, most) {
        const entries = await control.entries(shard, after, most);
        const isThere = entries.some(({ events }) => events.some(({ seq }) => seq === after.seq + 1));
        const known = read.get(`${shard} ${after.seq + 1}`);
        return most === 1 && !isThere && known ? [known] : entries;
      },
    },
    log: {
      async read(shard, after, options) {
        const entries = await log.read(shard, after, options);
        for (const entry of entries) for (const { seq } of entry.events) read.set(`${shard} ${seq}`, entry);
        return entries;
      },
      tail: (shard) => log.tail(shard),
      close: () => log.close(),
    },
  };
}

/** The plant `hold-released-twice`: a cancellation gives one unit back again, by an event that the log has. */
export function giveBackAgain(
  shard: MemoryShard,
  batch: readonly Timed[],
  outcomes: readonly Decided[],
  events: InventoryEvent[],
  nowMs: number,
): void {
  batch.forEach(({ command, deadlineMs }, i) => {
    const outcome = outcomes[i];
    if (command.kind !== "cancel" || outcome?.kind !== "settled" || outcome.replayed) return;
    const [sku = ""] = outcome.lines.map((line) => line.sku);
    const adjustmentId = `again-${command.orderId}`;
    const note = { reason: "", reference: "", actor: "", traceparent: "" };
    const again = { kind: "adjust", adjustmentId, sku, delta: 1, ...note } as const;
    events.push(...shard.decide([{ deadlineMs, command: again }], nowMs).events);
  });
}

/** What a shard with the plant `prepared-hold-lapses` has prepared: number, order id, time. */
export type PreparedNow = Map<number, { readonly orderId: string; readonly atMs: number }>;

const lapsesAfterMs = 100;

/** The plant `prepared-hold-lapses`: what was prepared for a while is aborted, by an event that the log has. */
export function lapsePrepared(
  prepared: PreparedNow,
  shard: MemoryShard,
  batch: readonly Timed[],
  outcomes: readonly Decided[],
  events: InventoryEvent[],
  nowMs: number,
): void {
  batch.forEach(({ command }, i) => {
    const outcome = outcomes[i];
    const isNew = command.kind === "prepare" && outcome?.kind === "accepted" && !outcome.replayed;
    if (isNew) prepared.set(outcome.seq, { orderId: command.orderId, atMs: nowMs });
  });
  for (const [preparedSeq, { orderId, atMs }] of prepared) {
    if (nowMs - atMs < lapsesAfterMs) continue;
    prepared.delete(preparedSeq);
    const command = { kind: "abort", orderId, preparedSeq, actor: "", traceparent: "" } as const;
    events.push(...shard.decide([{ deadlineMs: Infinity, command }], nowMs).events);
  }
}
