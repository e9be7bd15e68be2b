import assert from "node:assert/strict";
import {
  ArrayStream,
  ArrayTopic,
  entry,
  logOf,
  options,
  origin,
  readAll,
  setup,
  start,
  upTo,
} from "../../tests/log/array_topic.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { decodeMessage, jumpFrom } from "./message.ts";
import { Relay } from "./relay.ts";
import { RelayedLog } from "./relayed_log.ts";
import { TopicAway, type TopicRecord } from "./topic.ts";
import { fillTopic } from "./topic_fill.ts";

Deno.test("relay: what the stream has is in the topic, in order and once, before it is handed on", async () => {
  const { relay, topic, reported } = setup(...logOf(1, 10));
  assert.deepEqual(await readAll(relay), upTo(10));
  assert.deepEqual(topic.records.map(({ key }) => key), upTo(10).map((seq) => `1-${seq}`));
  assert.deepEqual(relay.progress, {
    position: { epoch: 1, seq: 10 },
    relayed: { epoch: 1, seq: 10 },
    unread: 0,
  });
  assert.deepEqual([await relay.tail(), reported], [{ epoch: 1, seq: 10 }, []]);
});

Deno.test("relay: a message that the topic acknowledged and lost is relayed again, in the middle and at the end", async () => {
  const { relay, topic, reported } = setup(...logOf(1, 8));
  topic.toLose.add("1-4").add("1-8");
  assert.deepEqual(await readAll(relay), upTo(8));
  assert.equal(topic.toLose.size, 0);
  assert.equal(reported[0], "gap 3");
});

Deno.test("relay: what another relay appended too is handed on once, and what is not ours is passed over", async () => {
  const { relay, topic, parts, reported } = setup(...logOf(1, 5));
  await readAll(new Relay(parts));
  const [first = assert.fail()] = topic.records;
  const foreign = { ...first, headers: { ...first.headers, deployment: "e" } };
  await topic.append(0, [...topic.records, foreign]);
  assert.deepEqual(await readAll(relay), upTo(5));
  assert.deepEqual(reported, ["unreadable 10"]);
});

Deno.test("relay: a topic that ends before the ledger gets what the stream still has, and a jump for the rest", async () => {
  const { relay, topic, reported } = setup(...logOf(1, 9).slice(4)); // 1 to 4 were trimmed
  assert.deepEqual(await readAll(relay, { epoch: 1, seq: 7 }), [8, 9]);
  assert.deepEqual(reported, ["jump 0-4"]);
  const [jump, ...others] = topic.records.map((record) => decodeMessage(record, origin));
  assert.deepEqual([jump && jumpFrom(jump), jump?.position], [0, { epoch: 1, seq: 4 }]);
  assert.deepEqual(others.map(({ position }) => position.seq), [5, 6, 7, 8, 9]);
});

Deno.test("relay: a ledger that went back finds in the topic what the stream has no more, wherever its reader was", async () => {
  const { relay, stream, topic, parts } = setup(...logOf(1, 9));
  await readAll(relay);
  stream.entries = [];
  for (const place of [9, 6]) {
    topic.place = place;
    assert.deepEqual(await readAll(new Relay(parts), { epoch: 1, seq: 3 }), [4, 5, 6, 7, 8, 9]);
  }
});

Deno.test("relay: a jump in the topic is no entry for the ledger", async () => {
  const { relay, parts } = setup(...logOf(1, 9).slice(4));
  await readAll(relay, { epoch: 1, seq: 7 }); // the topic begins with a jump to 4
  assert.deepEqual(await readAll(new Relay(parts)), [5, 6, 7, 8, 9]);
  assert.deepEqual(await readAll(new Relay({ ...parts, stream: new ArrayStream() })), [5, 6, 7, 8, 9]);
});

Deno.test("relay: a hole that neither stream nor topic can fill is handed on, so that the ledger sees it", async () => {
  const { relay, topic, parts } = setup(entry(1, 1), entry(1, 2), entry(1, 5), entry(1, 6));
  assert.deepEqual(await readAll(relay), [1, 2, 5, 6]);
  const stream = new ArrayStream(); // the topic alone has what follows the hole
  assert.deepEqual(await readAll(new Relay({ ...parts, stream, topic })), [1, 2, 5, 6]);
});

Deno.test("relay: what an epoch that is over appends late is not handed on", async () => {
  const { relay, stream, topic } = setup(...logOf(1, 3));
  assert.deepEqual(await readAll(relay), [1, 2, 3]);
  stream.entries.push(entry(2, 4));
  const late = setup(entry(1, 4)).parts;
  await new Relay({ ...late, topic }).step({ epoch: 1, seq: 3 }, options); // another worker, with the old server
  assert.ok(topic.records.some(({ key }) => key === "1-4"));
  const behind = await new Relay({ ...setup().parts, stream, topic }).step({ epoch: 2, seq: 4 }, options);
  assert.deepEqual(behind, [], "it comes before what the ledger has, in the order of epochs");
});

Deno.test("relay: while the topic is away nothing is handed on, and it starts over when it is back", async () => {
  const { relay, stream, topic } = setup(...logOf(1, 2));
  assert.deepEqual(await readAll(relay), [1, 2]);
  topic.isAway = true;
  stream.entries.push(entry(1, 3));
  const after = { epoch: 1, seq: 2 };
  await assert.rejects(relay.step(after, options), TopicAway);
  assert.equal(relay.progress, undefined);
  topic.isAway = false;
  assert.deepEqual(await readAll(relay, after), [3]);
});

Deno.test("relay: a topic that loses everything it acknowledges is given up", async () => {
  const { relay, topic } = setup(entry(1, 1));
  const append = topic.append.bind(topic);
  let appends = 0;
  topic.append = (shard) => {
    appends++;
    return append(shard, []);
  };
  await assert.rejects(relay.step(start, options), /the topic loses acknowledged messages/);
  assert.equal(appends, 6);
});

Deno.test("relay: where the ledger is, is noted once a second, and only of what was handed on", async () => {
  const { relay, stream, topic, clock } = setup(entry(1, 1));
  await readAll(relay);
  relay.applied({ epoch: 1, seq: 9 });
  relay.applied({ epoch: 1, seq: 1 });
  stream.entries.push(entry(1, 2));
  await readAll(relay, { epoch: 1, seq: 1 });
  clock.ms = 999;
  relay.applied({ epoch: 1, seq: 2 });
  clock.ms = 1000;
  relay.applied({ epoch: 1, seq: 2 });
  assert.deepEqual(topic.commits, ["1 1-1", "2 1-2"]);
});

Deno.test("relay: the batch before the last one is noted, too, once it is in the ledger", async () => {
  const { relay, topic } = setup(...logOf(1, 3));
  const one = { ...options, entriesMax: 1 };
  for (const seq of [0, 1, 2]) await relay.step({ epoch: seq === 0 ? 0 : 1, seq }, one);
  relay.applied({ epoch: 1, seq: 1 });
  assert.deepEqual(topic.commits, [], "two batches are kept");
  relay.applied({ epoch: 1, seq: 2 });
  assert.deepEqual(topic.commits, ["2 1-2"]);
});

Deno.test("relay: a topic that went on in a later epoch is not filled up to what the ledger has of an older one", async () => {
  const { relay, stream, topic, parts, reported } = setup(...logOf(1, 3), entry(2, 4));
  await readAll(relay);
  stream.entries = [];
  await new Relay(parts).step({ epoch: 1, seq: 7 }, options);
  assert.deepEqual(topic.records.map(({ key }) => key), ["1-1", "1-2", "1-3", "2-4"]);
  assert.deepEqual(reported.filter((what) => what.startsWith("jump")), []);
});

Deno.test("relayed log: a read that does not wait does not take the end that an earlier read found", async () => {
  const world = new ManualWorld();
  const stream = new ArrayStream();
  const [asked, found] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const readNow = stream.read.bind(stream);
  /** As `XREAD BLOCK`: nothing was there. */
  stream.read = () => {
    asked.resolve();
    return found.promise.then(() => []);
  };
  const log = new RelayedLog({ stream, topic: new ArrayTopic(), deployment: "d", world, onEvent: () => {} });
  const leased = new AbortController();
  const waiting = log.read(0, start, { entriesMax: 64, waitMs: 200, signal: leased.signal });
  await asked.promise;
  leased.abort(); // the lease ends, and the same worker gets it again
  assert.deepEqual(await waiting, []);
  stream.read = readNow;
  stream.entries = [entry(1, 1), entry(1, 2)];
  found.resolve();
  const entries = await log.read(0, start, options);
  assert.deepEqual(entries.map(({ position }) => position.seq), [1, 2]);
});

Deno.test("relay: what it appended and reads back unchanged is not decoded again", async () => {
  const { relay, stream } = setup(...logOf(1, 3));
  const read = await relay.step(start, options);
  assert.deepEqual(read.map((one) => stream.entries.indexOf(one)), [0, 1, 2], "the same objects");
});

Deno.test("relay: a record with the key of an own message and other contents is read as it is", async () => {
  const changes: ((record: TopicRecord) => TopicRecord)[] = [
    (record) => ({ ...record, value: record.value.replace('"delta":-1', '"delta":-2') }),
    (record) => ({ ...record, headers: { ...record.headers, deployment: "another" } }),
  ];
  const seen: unknown[] = [];
  for (const change of changes) {
    const { relay, topic, reported } = setup(...logOf(1, 1));
    const append = topic.append.bind(topic);
    topic.append = async (shard, messages) => {
      await append(shard, messages);
      topic.records.splice(0, Infinity, ...topic.records.map(change));
    };
    const read = await relay.step(start, options).catch((error) => error);
    seen.push(read instanceof Error ? reported[0] : read[0]?.events[0]?.lines[0]?.delta);
  }
  assert.deepEqual(seen, [-2, "unreadable 0"]);
});

Deno.test("relay: what a step leaves of a page is unread, and the next step does not wait for the stream", async () => {
  const { relay, stream } = setup(...logOf(1, 3));
  const waiting = { ...options, entriesMax: 2, waitMs: 200 };
  const [, last = assert.fail()] = await relay.step(start, { ...waiting, entriesMax: 3 }).then(() =>
    relay.step(start, waiting)
  );
  assert.equal(relay.progress?.unread, 1);
  await relay.step(last.position, waiting);
  assert.deepEqual(stream.waits, [200, 0, 0]);
});

Deno.test("relay: a step hands on one page, and reads no other at the end of the topic", async () => {
  const { relay, stream } = setup(...logOf(1, 7));
  const [first, second] = [await relay.step(start, options), relay.progress];
  assert.deepEqual([first.length, second?.unread], [3, 4]);
  assert.deepEqual(await readAll(relay, { epoch: 1, seq: 3 }), [4, 5, 6, 7]);
  const read = relay.pagesRead;
  stream.entries = [];
  assert.deepEqual(await relay.step({ epoch: 1, seq: 7 }, options), []);
  assert.equal(relay.pagesRead, read);
});

Deno.test("relay: a topic that is made when its end is asked for is reported", async () => {
  const { relay, topic, reported } = setup();
  topic.isCreated = true;
  assert.deepEqual([await relay.tail(), reported], [start, ["created"]]);
  await relay.step(start, options);
  assert.deepEqual(reported, ["created", "created"], "a reader that starts makes it, too");
});

Deno.test("relay: a topic of the ledger's own epoch that ends before it is filled, page by page", async () => {
  const { relay, topic, reported, stream } = setup(...logOf(1, 3));
  await readAll(relay);
  stream.entries = logOf(1, 9).slice(5); // 4 and 5 were trimmed
  const second = new Relay({
    ...setup().parts,
    stream,
    topic,
    onJump: (...jump) => reported.push(`jump ${jump}`),
  });
  assert.deepEqual(await readAll(second, { epoch: 1, seq: 7 }), [8, 9]);
  assert.deepEqual(reported, ["jump 3,5"]);
  assert.deepEqual(topic.records.map(({ key }) => key).slice(3), ["1-5", "1-6", "1-7", "1-8", "1-9"]);
});

Deno.test("relay: a topic that ends one number before the ledger gets it, too", async () => {
  const { relay, stream, topic, parts } = setup(...logOf(1, 3));
  await readAll(relay);
  stream.entries = logOf(1, 5);
  assert.deepEqual(await readAll(new Relay(parts), { epoch: 1, seq: 4 }), [5]);
  assert.deepEqual(topic.records.map(({ key }) => key).slice(3), ["1-4", "1-5"]);
});

Deno.test("relay: each append that fills a topic is a step, so that a long filling is not taken for one that hangs", async () => {
  const { parts } = setup(...logOf(1, 9).slice(4));
  let steps = 0;
  const end = await fillTopic(parts, start, { epoch: 1, seq: 9 }, () => steps++);
  assert.deepEqual([steps, end], [2, { epoch: 1, seq: 9 }]);
  const one = setup(...logOf(1, 3).slice(1));
  await fillTopic(one.parts, start, { epoch: 1, seq: 3 }, () => {});
  assert.deepEqual(one.reported, ["jump 0-1"], "one number is missing, too");
});

Deno.test("relay: a jump up to the ledger's cursor has its epoch, not that of what follows", async () => {
  const { relay, topic } = setup(entry(2, 9));
  await relay.step({ epoch: 1, seq: 7 }, options);
  assert.equal(topic.records[0]?.key, "1-7");
});

Deno.test("relay: after a time without orders a lost message is relayed again, and no hole is handed on", async () => {
  const { relay, stream, topic, reported } = setup(...logOf(1, 3));
  assert.deepEqual(await readAll(relay), [1, 2, 3]);
  assert.deepEqual(await relay.step({ epoch: 1, seq: 3 }, options), []);
  stream.entries.push(entry(1, 4), entry(1, 5));
  topic.toLose.add("1-4");
  assert.deepEqual(await readAll(relay, { epoch: 1, seq: 3 }), [4, 5]);
  assert.deepEqual(reported, ["gap 3"]);
});

Deno.test("relay: a ledger that starts anew is not given what an epoch appended after its end", async () => {
  const { relay, stream, topic, parts } = setup(...logOf(1, 4));
  await readAll(relay);
  stream.entries = [entry(2, 4), entry(2, 5)]; // 1-4 came from the server that was replaced
  await readAll(relay, { epoch: 1, seq: 3 });
  assert.deepEqual(topic.records.map(({ key }) => key).slice(3), ["1-4", "2-4", "2-5"]);
  topic.place = topic.records.length;
  const behind = new Relay({ ...parts, stream: new ArrayStream() });
  assert.deepEqual(await readAll(behind), [1, 2, 3, 4, 5]);
});
