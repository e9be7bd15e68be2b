import assert from "node:assert/strict";
import type { LogEntry } from "../domain/event.ts";
import { encodeJump, encodeMessages, type TopicMessage } from "./message.ts";
import type { Topic, TopicPage } from "./topic.ts";
import { findEpochs, isOver, readTail } from "./topic_history.ts";

const origin = { shard: 0, deployment: "d" };

function entry(epoch: number, seq: number): LogEntry {
  const none = { actor: "", traceparent: "", reason: "", reference: "", data: {}, atMs: 5, userId: "u" };
  return { position: { epoch, seq }, events: [{ seq, kind: "deduct", id: `o-${seq}`, lines: [], ...none }] };
}

const message = (epoch: number, seq: number) => encodeMessages(entry(epoch, seq), origin, Infinity);

/** A partition that is only read, in pages of two. */
function topicOf(
  ...messages: readonly TopicMessage[]
): { topic: Topic; bounds: { first: number; end: number } } {
  const records = messages.map((message, offset) => ({ ...message, offset }));
  const read = (_shard: number, offset: number): Promise<TopicPage> => {
    const page = records.slice(offset, offset + 2);
    return Promise.resolve({ records: page, next: offset + page.length, end: records.length });
  };
  return { topic: { read } as Topic, bounds: { first: 0, end: records.length } };
}

async function startsOf(...messages: readonly TopicMessage[]): Promise<Record<string, number>> {
  const { topic, bounds } = topicOf(...messages);
  return Object.fromEntries(await findEpochs(topic, origin, bounds, () => {}));
}

Deno.test("topic history: each page is a step, and none is read behind the end", async () => {
  const { topic, bounds } = topicOf(...[1, 2, 3, 4].flatMap((seq) => message(1, seq)));
  let pages = 0;
  await findEpochs(topic, origin, bounds, () => pages++);
  assert.equal(pages, 2);
});

Deno.test("topic history: an epoch begins at the lowest number that the topic has of it, also when it came twice", async () => {
  const [one, two] = [
    [1, 2, 3].flatMap((seq) => message(1, seq)),
    [6, 4, 5].flatMap((seq) => message(2, seq)),
  ];
  assert.deepEqual(await startsOf(...one, ...two), { 1: 1, 2: 4 });
  assert.deepEqual(await startsOf(...one, ...two, ...message(1, 4)), { 1: 1, 2: 4 });
});

Deno.test("topic history: an epoch that begins with a jump begins behind the last number that the topic has", async () => {
  const jump = (from: number) => encodeJump(from, { epoch: 2, seq: 9 }, origin, 5);
  const before = [1, 2, 3].flatMap((seq) => message(1, seq));
  assert.deepEqual(await startsOf(...before, jump(3)), { 1: 1, 2: 4 });
  assert.deepEqual(
    await startsOf(...before, jump(2)),
    { 1: 1, 2: 4 },
    "the topic had more than its relay saw",
  );
  assert.deepEqual(await startsOf(...before, jump(5)), { 1: 1, 2: 6 });
  assert.deepEqual(await startsOf(jump(20)), { 2: 10 }, "never behind its own number");
});

Deno.test("topic history: what an epoch appends at or behind the beginning of a later one is over", () => {
  const starts = new Map([[1, 1], [3, 5]]);
  const over = [[1, 4], [1, 5], [2, 6], [3, 9]].map(([epoch = 0, seq = 0]) =>
    isOver(entry(epoch, seq), starts)
  );
  assert.deepEqual(over, [false, true, true, false]);
});

Deno.test("topic history: the tail is the last position in the order of epochs, and a page that does not go on ends it", async () => {
  const { topic, bounds } = topicOf(...message(2, 4), ...message(1, 9), ...message(2, 3));
  assert.deepEqual((await readTail(topic, origin, bounds)).last, { epoch: 2, seq: 4 });
  const stuck = { read: () => Promise.resolve({ records: [], next: 0, end: 5 }) } as Partial<Topic> as Topic;
  assert.equal((await readTail(stuck, origin, { first: 0, end: 5 })).last, undefined);
});

Deno.test("topic history: another deployment's records begin no epoch, and hide no tail before them", async () => {
  const theirs = (seq: number) => encodeMessages(entry(3, seq), { ...origin, deployment: "e" }, Infinity);
  assert.deepEqual(await startsOf(...message(1, 1), ...theirs(2), ...message(2, 2)), { 1: 1, 2: 2 });
  const many = Array.from({ length: 40 }, (_, i) => theirs(i + 2)).flat();
  const { topic, bounds } = topicOf(...message(1, 1), ...many);
  const { last, foreign } = await readTail(topic, origin, bounds);
  assert.deepEqual([last, foreign?.name], [{ epoch: 1, seq: 1 }, "ForeignMessage"]);
});

Deno.test("topic history: of a long topic only the end is read, and nothing that came since its bounds were asked for", async () => {
  const all = Array.from({ length: 100 }, (_, i) => message(1, i + 1)).flat();
  const { topic } = topicOf(...all);
  const offsets: number[] = [];
  const read = topic.read.bind(topic);
  topic.read = (shard, offset) => {
    offsets.push(offset);
    return read(shard, offset);
  };
  const { last } = await readTail(topic, origin, { first: 0, end: 99 });
  assert.deepEqual(last, { epoch: 1, seq: 99 });
  assert.deepEqual([Math.min(...offsets), offsets.length], [99 - 32, 16]);
  const odd = await readTail(topic, origin, { first: 68, end: 99 });
  assert.deepEqual(odd.last, { epoch: 1, seq: 99 }, "the last page has one record more");
});
