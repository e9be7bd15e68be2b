/**
 * A topic with an event that its store does not have: an older copy of the keys was put back and gave the number to another
 * event, the relay appended that one, and the worker rebuilt the store from the ledger.
 */
import assert from "node:assert/strict";
import { ArrayTopic } from "../../../tests/log/array_topic.ts";
import { type EmbeddedParts, makeEmbeddedParts } from "../../../tests/contract/embedded_parts.ts";
import { adjust, deduct, readAll } from "../../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../../tests/manual_world.ts";
import { readLogEnd } from "./log_end.ts";
import type { LogEntry } from "../../domain/event.ts";
import type { EventLog } from "../../log/event_log.ts";
import { encodeMessages } from "../../log/message.ts";
import { RelayedLog } from "../../log/relayed_log.ts";
import type { Verdict } from "../../worker/arming.ts";

interface Shop extends AsyncDisposable {
  readonly parts: EmbeddedParts;
  readonly topic: ArrayTopic;
  /** The log of a store, through the topic. */
  logOf(stream: EventLog): EventLog;
  append(...entries: LogEntry[]): Promise<void>;
}

const loss = { actor: "cli:test", reason: "an older copy was put back" } as const;
const before = { epoch: 1, seq: 3 };

/** The ledger has numbers 1 to 3, and the topic has a sale as number 4 that takes a unit of other quantities. */
async function openShop(): Promise<Shop> {
  await using owned = new AsyncDisposableStack();
  const world = new ManualWorld();
  const parts = owned.use(await makeEmbeddedParts(world));
  const topic = new ArrayTopic();
  const origin = { shard: 0, deployment: parts.deployment.id };
  const append = (...entries: LogEntry[]) =>
    topic.append(0, entries.flatMap((entry) => encodeMessages(entry, origin, 1e6)));
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), adjust("b", "T", 5), deduct("o", "S", 2));
  await parts.apply();
  const entries = await readAll(parts.store);
  const sale = entries.at(-1)?.events.at(-1) ?? assert.fail("no sale");
  const lines = sale.lines.map((line) => ({ ...line, delta: -1, available: 4 }));
  const other = { position: { epoch: 1, seq: 4 }, events: [{ ...sale, seq: 4, id: "other", lines }] };
  await append(...entries, other);
  const whole = owned.move();
  return {
    ...{ parts, topic, append },
    logOf: (stream) =>
      new RelayedLog({ stream, topic, deployment: parts.deployment.id, world, onEvent: () => {} }),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

function refusal(verdict: Verdict): string {
  return verdict.kind === "refused" ? verdict.reason : assert.fail(verdict.kind);
}

Deno.test("arming: a ledger that went back finds an event of keys that were put back in the topic, and its number is missing", async () => {
  await using shop = await openShop();
  const { parts, append, logOf } = shop;
  // The store is rebuilt without number 4, and sells on under the next epoch.
  await parts.shard.recordHead(4);
  await parts.store.disarm(0, parts.deployment.id);
  assert.partialDeepStrictEqual(await parts.arm(), { kind: "armed", epoch: 2, lost: 1 });
  await parts.decide(deduct("p", "S", 3));
  const later = (await readAll(parts.store)).filter(({ position: { epoch } }) => epoch === 2);
  assert.deepEqual(later.map(({ position }) => position.seq), [5]);
  await append(...later);
  await parts.apply();

  // An older copy of the ledger.
  await using older = await makeEmbeddedParts(new ManualWorld());
  const { shard: ledger } = older;
  await ledger.issueEpoch(0, 0);
  const log = logOf(parts.store);
  const first = await log.read(0, { epoch: 0, seq: 0 }, {
    ...{ entriesMax: 64, waitMs: 0, signal: new AbortController().signal },
  });
  await ledger.apply(first.filter(({ position: { seq } }) => seq <= 3));
  assert.partialDeepStrictEqual(await ledger.cursor(), before);
  const armOlder = () => parts.arm({ ledger, log });
  await parts.store.disarm(0, parts.deployment.id);
  assert.match(refusal(await armOlder()), /the ledger went back.* 2 numbers, 4 to 5, are neither/);
  const stockAt = ledger.stockAt.bind(ledger);
  const end = await readLogEnd({ log, control: parts.store, stockAt, shard: 0 }, before);
  assert.deepEqual(end, { fromSeq: 3, last: 5 }, "'inventory recover' counts the same numbers");

  await older.ledger.acceptLoss(0, { fromSeq: 3, toSeq: 5, source: "store", ...loss });
  assert.partialDeepStrictEqual(await armOlder(), { kind: "armed", epoch: 3, rebuilt: "", lost: 2 });
  const stock = (await ledger.stock("", 10)).map(({ sku, available }) => [sku, available]);
  assert.deepEqual(stock, [["S", 5], ["T", 5]]);
});

Deno.test("arming: an empty store is not filled while the ledger cannot apply the topic's next event, until that is accepted", async () => {
  await using shop = await openShop();
  const { parts, logOf } = shop;
  await using empty = await makeEmbeddedParts(new ManualWorld());
  const log = logOf(empty.store);
  const armEmpty = () => parts.arm({ control: empty.store, log });
  assert.match(
    refusal(await armEmpty()),
    /the store does not have event 4 of the log, and the ledger cannot apply it\. 1 numbers, 4 to 4, are/,
  );
  const stockAt = parts.shard.stockAt.bind(parts.shard);
  const end = await readLogEnd({ log, control: empty.store, stockAt, shard: 0 }, before);
  assert.deepEqual(end, { fromSeq: 3, last: 4 }, "'inventory recover' counts the same number");

  await parts.ledger.acceptLoss(0, { fromSeq: 3, toSeq: 4, source: "ledger", ...loss });
  assert.partialDeepStrictEqual(await armEmpty(), { kind: "armed", rebuilt: "the store is empty", lost: 1 });
  const [sold] = await empty.decide(deduct("q", "S"));
  assert.partialDeepStrictEqual(sold, { kind: "accepted", seq: 5, newStock: [7] });
});

Deno.test("recover: an event that the store has, too, is none of the lost numbers although the ledger cannot apply it", async () => {
  await using shop = await openShop();
  const { parts } = shop;
  await parts.decide(deduct("p", "S", 3));
  const stockAt = async (skus: readonly string[], seq: number) =>
    (await parts.shard.stockAt(skus, seq)).map((row) => ({ ...row, available: row.available + 1 }));
  const end = await readLogEnd({ log: parts.store, control: parts.store, stockAt, shard: 0 }, before);
  assert.deepEqual(end, { fromSeq: 4, last: 4 }, "store and ledger differ: that is for 'inventory correct'");
});
