/**
 * What Kafka adds between Redis and the ledger: the same log, read from the stream, and through a topic.
 * CPU is that of this process, with its threads for gzip; the broker's is not in it.
 *
 *     deno task bench bench/relay_cost.ts                 64,000 orders in batches of 64, and of 4
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import process from "node:process";
import type { Position } from "../src/domain/event.ts";
import type { EventLog } from "../src/log/event_log.ts";
import { decide, deduct } from "../tests/contract/store_suite.ts";
import { Fixture } from "../tests/kafka/kafka_fixture.ts";
import { startKafka } from "../tools/servers/kafka.ts";

const orders = 64_000;
const batchSizes = [64, 4];
/** As the worker reads when it does not wait: what is relayed while the ledger commit is not in it. */
const options = { entriesMax: 64, waitMs: 0, signal: new AbortController().signal };

/** Reads a whole log. Returns µs of CPU an order. */
async function readThrough(log: EventLog): Promise<number> {
  const before = process.cpuUsage();
  let read = 0;
  for (let after: Position | undefined = { epoch: 0, seq: 0 }; after;) {
    const entries = await log.read(0, after, options);
    read += entries.reduce((sum, { events }) => sum + events.length, 0);
    after = entries.at(-1)?.position;
  }
  const used = process.cpuUsage(before);
  return (used.user + used.system) / read;
}

await using kafka = await startKafka();
for (const size of batchSizes) {
  await using fixture = await Fixture.open(kafka);
  await fixture.readAll(fixture.way()); // until the broker's coordinator answers
  for (let batch = 0; batch < orders / size; batch++) {
    await decide(
      fixture.store,
      ...Array.from({ length: size }, (_, i) => deduct(`order-${batch}-${i}`, "S", 1, `user-${i}`)),
    );
  }
  const straight = await readThrough(fixture.stream());
  const { log } = fixture.way();
  const relayed = await readThrough(log);
  const again = await readThrough(fixture.way().log); // what is in the topic already
  console.log(
    `batches of ${size}: ${straight.toFixed(1)} µs of CPU an order from the stream, ${
      relayed.toFixed(1)
    } relayed and read ` +
      `back, ${again.toFixed(1)} read from the topic`,
  );
}
