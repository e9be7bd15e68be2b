/**
 * What Kafka adds between Redis and the ledger: the same log, read from the stream, and through a topic.
 * Everything is on one machine, so the broker's own work is in it.
 *
 *     deno task bench bench/relay_cost.ts                 64,000 orders in batches of 64, and of 4
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import type { Position } from "../src/domain/event.ts";
import type { EventLog } from "../src/log/event_log.ts";
import { decide, deduct } from "../tests/contract/store_suite.ts";
import { Fixture } from "../tests/kafka/kafka_fixture.ts";
import { startKafka } from "../tools/servers/kafka.ts";

const orders = 64_000;
const batchSizes = [64, 4];
/** As the worker reads when it does not wait: what is relayed while the ledger commit is not in it. */
const options = { entriesMax: 64, waitMs: 0, signal: new AbortController().signal };

/** Reads a whole log. Returns µs an order. */
async function readThrough(log: EventLog): Promise<number> {
  const startMs = performance.now();
  let read = 0;
  for (let after: Position | undefined = { epoch: 0, seq: 0 }; after;) {
    const entries = await log.read(0, after, options);
    read += entries.reduce((sum, { events }) => sum + events.length, 0);
    after = entries.at(-1)?.position;
  }
  return (performance.now() - startMs) * 1000 / read;
}

await using kafka = await startKafka();
for (const size of batchSizes) {
  await using fixture = await Fixture.open(kafka);
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
    `batches of ${size}: ${straight.toFixed(1)} µs an order from the stream, ${
      relayed.toFixed(1)
    } relayed and read ` +
      `back, ${again.toFixed(1)} read from the topic`,
  );
}
