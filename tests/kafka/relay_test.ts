/**
 * The way stream → topic → ledger loses nothing and gives nothing twice, whatever happens to the topic.
 */
import assert from "node:assert/strict";
import type { LogEntry, Position } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { encodeMessages, type TopicMessage } from "../../src/log/message.ts";
import { type Topic, TopicAway } from "../../src/log/topic.ts";
import { armAgain, deployment } from "../contract/store_suite.ts";
import { type Proxy, startProxy } from "../../tools/proxy.ts";
import { type KafkaServer, startKafka } from "../../tools/servers/kafka.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { watchLoop } from "../event_loop.ts";
import { Fixture, numbersOf, upTo } from "./kafka_fixture.ts";

const NEVER = new AbortController().signal;
const BACK_DEADLINE_MS = 60_000;
/** As a worker reads: 64 entries, 200 ms. */
const FOLLOWING = { entriesMax: 64, waitMs: 200, signal: NEVER };
const START: Position = { epoch: 0, seq: 0 };
const ORIGIN = { shard: 0, deployment };

/** The broker that the tests share prints when it likes, and its output is read all the while. */
const sharing = { sanitizeOps: false };
let kafka: KafkaServer;
Deno.test.beforeAll(async () => {
  kafka = await startKafka();
  // A broker that has just started loads its offsets when it is first asked for them, and refuses meanwhile.
  await using fixture = await Fixture.open(kafka);
  const topic = fixture.topic();
  await waitFor(async () => {
    await topic.prepare();
    await topic.committed(0);
    return true;
  }, { deadlineMs: BACK_DEADLINE_MS, what: "a broker that knows its offsets" });
});
Deno.test.afterAll(() => kafka[Symbol.asyncDispose]());

/** A client that throws some of what it acknowledges away, as kafkajs can. */
function losing(topic: Topic, isLost: (message: TopicMessage) => boolean): Topic {
  return {
    prepare: () => topic.prepare(),
    bounds: (shard) => topic.bounds(shard),
    read: (shard, offset) => topic.read(shard, offset),
    committed: (shard) => topic.committed(shard),
    commit: (shard, offset, note) => topic.commit(shard, offset, note),
    close: () => topic.close(),
    append: (shard, messages) => topic.append(shard, messages.filter((message) => !isLost(message))),
  };
}

Deno.test(
  "a gap in the topic, in its middle or at its end, is filled by relaying again",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const toLose = new Set(["1-4", "1-5", "1-20"]);
    const topic = losing(fixture.topic(), ({ key }) => toLose.delete(key)); // each is lost once
    const way = fixture.way(topic);
    await fixture.sell(29);
    const read = await fixture.readAll(way);
    assert.deepEqual(numbersOf(read), upTo(30));
    await fixture.sell(2);
    toLose.add("1-31").add("1-32");
    assert.deepEqual(numbersOf(await fixture.readAll(way, read.at(-1)?.position)), [31, 32]);
    assert.equal(toLose.size, 0, "every loss has struck");
    const gaps = way.reported.flatMap((event) => event.kind === "gap" ? [event.after.seq] : []);
    // How far the relay was ahead when it found the first gap follows from the size of its reads: 20 may be a second one.
    assert.deepEqual(gaps.filter((after) => after !== 19), [3, 30]);
  },
);

Deno.test(
  "an answer cut after the broker wrote: a batch is written once, and so is what is sent next",
  sharing,
  async () => {
    let proxy: Proxy | undefined;
    await using kafka = await startKafka({ advertise: (port) => (proxy = startProxy(port)).port });
    assert.ok(proxy);
    await using cutting = proxy;
    await using fixture = await Fixture.open(kafka);
    const [entry] = await fixture.readAll({ log: fixture.stream() });
    const topic = fixture.topic();
    await topic.prepare();
    // As long as one another: only then does the broker take one for the other.
    const append = (seq: number) =>
      topic.append(
        0,
        encodeMessages({ events: entry?.events ?? [], position: { epoch: 1, seq } }, ORIGIN, 1e6),
      );
    await append(1);
    cutting.cutReplies(Infinity, { containing: fixture.namespace });
    await assert.rejects(append(2), TopicAway);
    assert.ok(cutting.strikes > 0, "an answer was cut");
    cutting.cutReplies(0);
    for (const seq of [3, 4, 5]) await append(seq);
    const struck = cutting.strikes;
    cutting.cutReplies(1, { containing: fixture.namespace });
    await append(6); // sent again under its number
    assert.equal(cutting.strikes, struck + 1, "an answer was cut");
    const { records } = await topic.read(0, 0);
    assert.deepEqual(records.map(({ key }) => key), [1, 2, 3, 4, 5, 6].map((seq) => `1-${seq}`), "each once");
  },
);

Deno.test("a topic that loses all that it acknowledges is away, not at its end", sharing, async () => {
  await using fixture = await Fixture.open(kafka);
  const way = fixture.way(losing(fixture.topic(), () => true));
  await assert.rejects(fixture.readAll(way), TopicAway);
  // A busy broker has not answered in time at first.
  const isAway = () => way.reported.at(-1)?.kind === "away";
  assert.deepEqual(await following(way.log, START, 0, isAway), []);
});

Deno.test("a topic truncated behind the reader, under it and beyond what was relayed", sharing, async () => {
  await using fixture = await Fixture.open(kafka);
  const way = fixture.way();
  await fixture.sell(19);
  const applied = (await fixture.readAll(way)).at(-1)?.position;
  assert.equal(applied?.seq, 20);
  await fixture.sell(10);
  const other = fixture.way(); // in the topic by another worker, and not read by this one
  assert.deepEqual(numbersOf(await fixture.readAll(other, applied)), upTo(30, 21));
  await fixture.truncate(-1);
  assert.deepEqual(numbersOf(await fixture.readAll(way, applied)), upTo(30, 21));
});

Deno.test("a topic deleted under way is made anew, and nothing is missing in it", sharing, async () => {
  await using fixture = await Fixture.open(kafka);
  const way = fixture.way();
  await fixture.sell(9);
  const applied = (await fixture.readAll(way)).at(-1)?.position ?? START;
  await fixture.admin((admin, topic) => admin.deleteTopics({ topics: [topic] }));
  await fixture.sell(10);
  assert.deepEqual(numbersOf(await following(way.log, applied, 10)), upTo(20, 11));
  assert.equal(way.reported.filter(({ kind }) => kind === "created").length, 2, "at first, and anew");
  const { end } = await fixture.topic().bounds(0);
  assert.ok(end >= 10, `the topic has ${end} records`);
});

Deno.test(
  "retention shorter than an outage: what the topic forgot comes from the stream again",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    await fixture.sell(9);
    assert.equal(numbersOf(await fixture.readAll(fixture.way())).length, 10); // a worker that died before it applied
    await fixture.truncate(6);
    assert.deepEqual(numbersOf(await fixture.readAll(fixture.way())), upTo(10));
  },
);

Deno.test("two relays at once: each reader gets every number once", sharing, async () => {
  await using fixture = await Fixture.open(kafka);
  const ways = [fixture.way(), fixture.way()];
  await Promise.all(ways.map((way) => way.log.read(0, START, FOLLOWING)));
  const selling = fixture.sell(150);
  const read = await Promise.all(ways.map((way) => following(way.log, START, 151)));
  await selling;
  for (const entries of read) assert.deepEqual(numbersOf(entries), upTo(151));
});

Deno.test("a relay of an earlier epoch appends what no worker reads", sharing, async () => {
  await using fixture = await Fixture.open(kafka);
  const way = fixture.way();
  await fixture.sell(4);
  const applied = (await fixture.readAll(way)).at(-1)?.position;
  assert.equal(applied?.seq, 5);
  await fixture.control.disarm(0, deployment);
  await armAgain(fixture.control, 2);
  const armed = { epoch: 2, seq: 5 };
  // As the last life of the store had it: other sales under the numbers that are issued anew.
  const [stale] = await fixture.readAll(way);
  assert.ok(stale);
  for (const seq of [5, 6, 7]) {
    const entry = {
      position: { epoch: 1, seq },
      events: stale.events.map((event) => ({ ...event, seq, id: "stale" })),
    };
    await fixture.topic().append(0, encodeMessages(entry, ORIGIN, 1e6));
  }
  await fixture.sell(3);
  const entries = await following(way.log, armed, 3);
  assert.deepEqual(entries.map(({ position }) => position), [6, 7, 8].map((seq) => ({ epoch: 2, seq })));
  assert.ok(entries.every(({ events }) => events.every(({ id }) => id !== "stale")));
});

Deno.test(
  "what the store lost and the topic has is read, and behind a gap it is read as it is",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    await fixture.sell(19);
    const topic = losing(fixture.topic(), ({ key }) => key === "1-9" || key === "1-10");
    // The store is lost while the relay has not noticed yet what its client did.
    await fixture.topic().prepare();
    const entries = await fixture.readAll({ log: fixture.stream() });
    await topic.append(0, entries.flatMap((entry) => encodeMessages(entry, ORIGIN, 1e6)));
    await fixture.control.beginRestore(0, "token", await fixture.control.inspect(0), {
      deployment,
      shards: 1,
      seq: 20,
      applied: 20,
    });
    assert.deepEqual(numbersOf(await fixture.readAll(fixture.way(topic))), [...upTo(8), ...upTo(20, 11)]);
  },
);

Deno.test(
  "a frozen broker: a reader that waits gets nothing in time, one that asks for the end is refused",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const way = fixture.way();
    const applied = (await fixture.readAll(way)).at(-1)?.position ?? START;
    kafka.freeze();
    try {
      await fixture.sell(3);
      const startMs = performance.now();
      using loop = watchLoop();
      assert.deepEqual(await way.log.read(0, applied, FOLLOWING), []);
      const ms = performance.now() - startMs - loop.stalledMs();
      assert.ok(ms < 2500, `${ms} ms, where a lease may be silent for 3 s`);
      await assert.rejects(way.log.read(0, applied, { ...FOLLOWING, waitMs: 0 }), TopicAway);
      await following(way.log, applied, 0, () => way.reported.some(({ kind }) => kind === "away"));
    } finally {
      kafka.thaw();
    }
    assert.deepEqual(numbersOf(await following(way.log, applied, 3)), [2, 3, 4]);
    assert.deepEqual(way.reported.map(({ kind }) => kind), ["created", "away", "back"]);
  },
);

Deno.test("a broker killed in the middle of sending, and away for a while", sharing, async () => {
  await using kafka = await startKafka();
  await using fixture = await Fixture.open(kafka);
  const way = fixture.way();
  let read: LogEntry[] = [];
  const reading = following(way.log, START, 401).then((entries) => read = entries);
  const selling = fixture.sell(300);
  await waitFor(async () => (await fixture.topic().bounds(0)).end > 20, {
    deadlineMs: 30_000,
    what: "a start",
  });
  await kafka.kill();
  await selling;
  await fixture.sell(100); // for which there is no broker, however fast the relay is
  await waitFor(() => way.reported.some(({ kind }) => kind === "away"), {
    deadlineMs: 30_000,
    what: "a failure",
  });
  await kafka.start();
  await reading;
  assert.deepEqual(numbersOf(read), upTo(401));
  assert.ok(way.reported.some(({ kind }) => kind === "back"));
});

Deno.test(
  "strangers: a record that is not ours is passed over, a member of our group changes nothing",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const way = fixture.way();
    await fixture.sell(4);
    const applied = (await fixture.readAll(way)).at(-1)?.position ?? START;
    const producer = fixture.client().producer();
    await producer.connect();
    await producer.send({
      topic: `${fixture.namespace}.events`,
      messages: [{ partition: 0, value: "hello" }],
    });
    await producer.disconnect();
    const consumer = fixture.client().consumer({ groupId: `${fixture.namespace}-ledger` });
    await consumer.connect();
    await consumer.subscribe({ topic: `${fixture.namespace}.events`, fromBeginning: true });
    let seen = 0;
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => (seen += batch.messages.length, Promise.resolve()),
    });
    await waitFor(() => seen > 0, { deadlineMs: 30_000, what: "a stranger that reads" });
    await fixture.sell(3);
    assert.deepEqual(numbersOf(await following(way.log, applied, 3)), [6, 7, 8]);
    assert.deepEqual(way.reported.map(({ kind }) => kind), ["created", "unreadable"]);
    // A reader that starts over meets it.
    const other = fixture.way();
    assert.deepEqual(numbersOf(await fixture.readAll(other)), upTo(8));
    assert.ok(other.reported.some(({ kind }) => kind === "unreadable"));
    await consumer.disconnect();
  },
);

Deno.test(
  "Kafka knows the progress of the ledger, and not how far was read ahead of it",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const { log } = fixture.way();
    const topic = fixture.topic();
    await fixture.sell(9);
    /** A busy broker has nothing in time at first. */
    const next = async (after: Position): Promise<Position> => {
      let entries: LogEntry[] = [];
      await waitFor(async () => {
        entries = await log.read(0, after, { ...FOLLOWING, entriesMax: 1 });
        return entries.length > 0;
      }, { deadlineMs: BACK_DEADLINE_MS, what: "an entry" });
      return entries[0]?.position ?? assert.fail();
    };
    const first = await next(START); // the next ones are on their way
    await fixture.sell(5);
    await waitFor(async () => (await topic.bounds(0)).end > 1, {
      deadlineMs: 30_000,
      what: "a relay that goes ahead",
    });
    assert.equal(await topic.committed(0), undefined, "nothing is applied yet");
    let applied = await next(first);
    await waitFor(async () => await topic.committed(0) === 1, {
      deadlineMs: 60_000,
      what: "the place of the first",
    });
    await waitFor(async () => {
      applied = (await log.read(0, applied, FOLLOWING)).at(-1)?.position ?? applied;
      return await topic.committed(0) === 15;
    }, { deadlineMs: 60_000, what: "the place of the last" });
    const [offsets] = await fixture.admin((admin, topic) =>
      admin.fetchOffsets({ groupId: `${fixture.namespace}-ledger`, topics: [topic] })
    );
    assert.deepEqual(offsets?.partitions, [{ partition: 0, offset: "15", metadata: "1-15" }]);
  },
);

Deno.test(
  "a topic is made with a partition a shard, and one that does not fit is refused by name",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    assert.equal(await fixture.topic(3).inspect(), undefined, "a look makes nothing");
    const facts = await fixture.topic(3).prepare();
    assert.deepEqual(facts, {
      topic: `${fixture.namespace}.events`,
      clusterId: facts.clusterId,
      partitions: 3,
      used: 3,
      replicationFactor: 1,
      minInsyncReplicas: 1,
      retentionMs: 604_800_000,
      maxMessageBytes: 1_048_588,
      created: true,
    });
    assert.match(facts.clusterId, /^\S{10,}$/);
    assert.ok(!(await fixture.topic(3).prepare()).created);
    assert.deepEqual(await fixture.topic(3).inspect(), {
      facts: { ...facts, created: false },
      whyUnusable: undefined,
    });
    assert.match(
      (await fixture.topic(4).inspect())?.whyUnusable ?? "",
      /^it must have a partition per shard/,
    );
    await assert.rejects(fixture.topic(4).prepare(), /a partition per shard: it has 3, SHARDS is 4/);
    const raised = await fixture.topic(2).prepare();
    assert.deepEqual([raised.partitions, raised.used], [3, 2], "they were raised: the first are used");
    const set = (name: string, value: string) =>
      fixture.admin((admin, topic) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{ type: 2, name: topic, configEntries: [{ name, value }] }],
        })
      );
    await set("cleanup.policy", "compact");
    await assert.rejects(
      fixture.topic(3).prepare(),
      /cleanup.policy must be 'delete': current value is 'compact'/,
    );
    await set("compression.type", "zstd");
    await assert.rejects(
      fixture.topic(3).prepare(),
      /compression.type must be one of producer,gzip,uncompressed: current value is 'zstd'/,
    );
    await set("max.message.bytes", "50000");
    await assert.rejects(fixture.topic(3).prepare(), /max.message.bytes must be at least 100000/);
  },
);

Deno.test(
  "a topic of another deployment is refused at first; a record of it among ours is passed over, at its end too",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const [entry] = await fixture.readAll({ log: fixture.stream() });
    assert.ok(entry);
    await fixture.topic().prepare();
    const foreign = encodeMessages(entry, { shard: 0, deployment: "another-one" }, 1e6);
    await fixture.topic().append(0, foreign);
    await assert.rejects(fixture.readAll(fixture.way()), /another deployment wrote it: another-one/);
    await fixture.topic().append(0, encodeMessages(entry, ORIGIN, 1e6));
    await fixture.sell(3);
    for (let i = 0; i < 40; i++) await fixture.topic().append(0, foreign); // more than a first look at the end
    const way = fixture.way();
    assert.deepEqual(numbersOf(await fixture.readAll(way)), upTo(4));
    assert.equal(way.reported.filter(({ kind }) => kind === "unreadable").length, 41);
    await fixture.sell(2);
    await fixture.topic().append(0, foreign);
    const applied = { epoch: 1, seq: 4 };
    assert.deepEqual(numbersOf(await following(way.log, applied, 2)), [5, 6]);
    assert.deepEqual(await way.log.tail(0), { epoch: 1, seq: 6 });
  },
);

Deno.test(
  "an older copy of the ledger finds in the topic, from its start, what the stream has lost, and not what an older epoch left there",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    const way = fixture.way();
    await fixture.sell(9);
    const applied = (await fixture.readAll(way)).at(-1)?.position ?? START;
    await fixture.control.disarm(0, deployment);
    await armAgain(fixture.control, 2);
    // A relay of epoch 1 that was left behind: other sales under numbers that epoch 2 issues.
    const [stale] = await fixture.readAll({ log: fixture.stream() });
    assert.ok(stale);
    for (const seq of [11, 12]) {
      const events = stale.events.map((event) => ({ ...event, seq, id: "stale" }));
      await fixture.topic().append(0, encodeMessages({ position: { epoch: 1, seq }, events }, ORIGIN, 1e6));
    }
    await fixture.sell(10);
    const read = await following(way.log, { epoch: 2, seq: applied.seq }, 10);
    await waitFor(async () => {
      await way.log.read(0, read.at(-1)?.position ?? START, FOLLOWING); // commits the place
      return await fixture.topic().committed(0) === 22;
    }, {
      deadlineMs: BACK_DEADLINE_MS,
      what: "a place behind all of it",
    });
    for (const trimmed of ["15", "21"]) { // the stream has the last ones, then none
      await fixture.trimTo(`2-${trimmed}`);
      const back = fixture.way();
      const all = await fixture.readAll(back, { epoch: 1, seq: 3 });
      assert.deepEqual(numbersOf(all), upTo(20, 4));
      assert.ok(all.every(({ events }) => events.every(({ id }) => id !== "stale")));
      assert.deepEqual(await back.log.tail(0), { epoch: 2, seq: 20 });
    }
  },
);

Deno.test(
  "numbers that never came into the topic: what the stream still has of them is relayed, the rest is a jump",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    await fixture.sell(4);
    await fixture.readAll(fixture.way());
    await fixture.sell(10); // applied without Kafka
    await fixture.trimTo("1-9");
    const way = fixture.way();
    const applied = { epoch: 1, seq: 12 };
    assert.deepEqual(numbersOf(await following(way.log, applied, 3)), [13, 14, 15]);
    assert.deepEqual(way.reported.filter(({ kind }) => kind === "jump"), [
      { kind: "jump", shard: 0, from: 5, to: 8 },
    ]);
    const { records } = await fixture.topic().read(0, 0);
    const said = records.map(({ value }) => JSON.parse(value).events[0]);
    assert.deepEqual(said.map(({ seq }) => seq), [...upTo(5), 8, ...upTo(15, 9)]);
    assert.deepEqual(said[5], { seq: 8, kind: "jump", from_seq: 5, lines: [] });
    const { end } = await fixture.topic().bounds(0);
    await following(fixture.way().log, { epoch: 1, seq: 15 }, 0);
    assert.deepEqual(await fixture.topic().bounds(0), { first: 0, end }, "said once");
    // The ledger never gets a jump: it stops before it, as before any gap.
    assert.deepEqual(numbersOf(await fixture.readAll(fixture.way())), [...upTo(5), ...upTo(15, 9)]);
  },
);

Deno.test(
  "long entries: batches stay under max.message.bytes, and an entry that does not fit is cut",
  sharing,
  async () => {
    await using fixture = await Fixture.open(kafka);
    await fixture.admin(async (admin, topic) => {
      await fixture.topic().prepare();
      const configEntries = [{ name: "max.message.bytes", value: "100000" }];
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] });
    });
    const topic = fixture.topic();
    await topic.prepare();
    const [stock] = await fixture.readAll({ log: fixture.stream() });
    const first = stock?.events[0];
    assert.ok(first);
    const noise = () => Array.from({ length: 400 }, () => crypto.randomUUID()).join(""); // does not compress
    const events = upTo(12).map((seq) => ({ ...first, seq, reason: noise() }));
    const entry: LogEntry = { position: { epoch: 1, seq: 12 }, events };
    const messages = encodeMessages(entry, ORIGIN, 60_000);
    assert.ok(messages.length > 1, "cut");
    await topic.append(0, messages);
    const { records } = await topic.read(0, 0);
    assert.ok(records.length > 0);
    const { end } = await topic.bounds(0);
    assert.equal(end, messages.length);
  },
);

/** What a worker would book, in order, until there are so many numbers, or `enough` says so. */
async function following(
  log: EventLog,
  after: Position,
  count: number,
  enough: () => boolean = () => true,
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  let position = after;
  await waitFor(async () => {
    const page = await log.read(0, position, FOLLOWING);
    entries.push(...page);
    position = page.at(-1)?.position ?? position;
    return numbersOf(entries).length >= count && enough();
  }, { deadlineMs: BACK_DEADLINE_MS, what: `${count} numbers` });
  return entries;
}
