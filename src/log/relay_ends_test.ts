/**
 * The end of a topic: another deployment's records there, records that were lost there, and how often it is read.
 */
import assert from "node:assert/strict";
import { entry, logOf, options, origin, readAll, setup, start } from "../../tests/log/array_topic.ts";
import { encodeMessages, ForeignMessage, type TopicMessage } from "./message.ts";
import type { TopicPage } from "./topic.ts";

const theirs = (...seqs: number[]): TopicMessage[] =>
  seqs.flatMap((seq) => encodeMessages(entry(1, seq), { ...origin, deployment: "e" }, Infinity));

Deno.test("relay: a topic of another deployment is refused at the first look, by the end alone and by a step", async () => {
  for (const look of ["tail", "step"] as const) {
    const { relay, topic } = setup(entry(1, 1));
    await topic.append(0, theirs(1, 2));
    const first = look === "tail" ? relay.tail() : relay.step(start, options);
    await assert.rejects(first, ForeignMessage);
    assert.equal(topic.records.length, 2, "nothing was appended");
  }
});

Deno.test("relay: records of another deployment are no reason to stop at a later look", async () => {
  const { relay, topic, reported } = setup();
  assert.deepEqual(await relay.tail(), start);
  await topic.append(0, theirs(7));
  assert.deepEqual(await relay.tail(), start);
  assert.deepEqual(await relay.step(start, options), []);
  assert.deepEqual(reported, ["unreadable 0"]);
});

Deno.test("relay: a message that was lost at the end is relayed again before a gap of the stream is handed on", async () => {
  const { relay, topic, stream, reported } = setup(...logOf(1, 3));
  topic.toLose.add("1-3");
  const read = await relay.step(start, options);
  assert.deepEqual(read.map(({ position }) => position.seq), [1, 2]);
  stream.entries = [entry(1, 3), entry(1, 5)]; // 4 is in neither
  assert.deepEqual(await readAll(relay, { epoch: 1, seq: 2 }), [3, 5]);
  assert.equal(reported[0], "gap 2");
});

Deno.test("relay: what was read behind a gap is not read again while the gap is filled", async () => {
  const { relay, topic } = setup(...logOf(1, 9));
  topic.toLose.add("1-1");
  const read = topic.read.bind(topic);
  const offsets: number[] = [];
  topic.read = (shard, offset) => {
    offsets.push(offset);
    return read(shard, offset);
  };
  assert.deepEqual(await relay.step(start, options), logOf(1, 3));
  assert.deepEqual(offsets, [0, 3, 6, 8], "the pages behind the gap, then the one that fills it");
});

Deno.test("relay: a topic that says that it goes on and gives nothing is read once a step", async () => {
  const { relay, topic } = setup();
  let reads = 0;
  topic.bounds = () => Promise.resolve({ first: 0, end: 5 });
  topic.read = (): Promise<TopicPage> => {
    if (++reads > 9) throw new Error("read again and again");
    return Promise.resolve({ records: [], next: 0, end: 5 });
  };
  assert.deepEqual(await relay.step(start, options), []);
  assert.deepEqual([reads, relay.progress?.unread], [2, 5], "the end, and a page");
});

Deno.test("relay: what another relay appended meanwhile is read before a gap of the stream is handed on", async () => {
  const { relay, topic, stream } = setup(...logOf(1, 3));
  const append = topic.append.bind(topic);
  topic.append = async (shard, messages) => {
    await append(shard, messages);
    topic.append = append;
    await append(shard, logOf(1, 5).slice(3).flatMap((one) => encodeMessages(one, origin, Infinity)));
  };
  assert.deepEqual(await relay.step(start, options), logOf(1, 3));
  stream.entries = [entry(1, 6)]; // 4 and 5 were trimmed
  assert.deepEqual(await readAll(relay, { epoch: 1, seq: 3 }), [4, 5, 6]);
});
