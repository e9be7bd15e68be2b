/**
 * Kafka with TLS and a login: the worker's topic on a real broker that admits no other client.
 */
import assert from "node:assert/strict";
import { KafkaTopic } from "../../src/kafka/topic.ts";
import { TopicAway } from "../../src/log/topic.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { type KafkaSecurity, type KafkaServer, startKafka } from "../../tools/servers/kafka.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { makeCertificates } from "../../tools/servers/shipped_redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { startStack } from "../system/stack.ts";

const DEADLINE_MS = 60_000;
const user = { username: "holdfast-worker", password: "password-with=and%;and-more" } as const;

interface Secured extends AsyncDisposable {
  readonly kafka: KafkaServer;
  readonly caFile: string;
}

async function startSecured(): Promise<Secured> {
  await using started = new AsyncDisposableStack();
  const { folder } = started.use(await makeCertificates());
  const keystoreFile = `${folder}/broker.pem`;
  const parts = ["redis.key", "redis.crt", "ca.crt"].map((file) =>
    Deno.readTextFileSync(`${folder}/${file}`)
  );
  await Deno.writeTextFile(keystoreFile, parts.join(""));
  const secure: KafkaSecurity = { keystoreFile, caFile: `${folder}/ca.crt`, ...user };
  const kafka = started.use(await startKafka({ secure }));
  const owned = started.move();
  return { kafka, caFile: `${folder}/ca.crt`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("Kafka with TLS: each login mechanism works, and a client without one of them is refused", async () => {
  await using secured = await startSecured();
  const { kafka, caFile } = secured;
  const place = { brokers: [kafka.broker], namespace: "inventory", shards: 1, tls: true, caFile, onLog() {} };
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    const topic = new KafkaTopic({ ...place, sasl: { mechanism, ...user } });
    await waitFor(async () => (await topic.prepare()).partitions === 1, {
      deadlineMs: DEADLINE_MS,
      what: `a topic, after a login by ${mechanism}`,
    });
    await topic.close();
  }
  const wrong = { mechanism: "scram-sha-256", ...user, password: "wrong" } as const;
  const refused = [
    { ...place, sasl: wrong },
    { ...place, sasl: null },
    { ...place, caFile: null, sasl: { mechanism: "plain", ...user } as const },
    { ...place, tls: false, caFile: null, sasl: null },
  ];
  for (const options of refused) {
    const topic = new KafkaTopic(options);
    await assert.rejects(topic.prepare(), TopicAway);
    await topic.close();
  }
});

Deno.test("Kafka with TLS and SCRAM: orders reach the ledger through it, by the settings", async () => {
  await using secured = await startSecured();
  const { kafka, caFile } = secured;
  const passwordFile = await Deno.makeTempFile();
  await Deno.writeTextFile(passwordFile, `${user.password}\n`);
  const namespace = freshNamespace();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({
    redisUrl: sharedRedis().url,
    databaseUrl,
    env: {
      NAMESPACE: namespace,
      KAFKA_BROKERS: kafka.broker,
      KAFKA_TLS: "1",
      KAFKA_CA_FILE: caFile,
      KAFKA_SASL: "scram-sha-512",
      KAFKA_USERNAME: user.username,
      KAFKA_PASSWORD_FILE: passwordFile,
    },
  });
  const post = async (path: string, body: unknown) => {
    return (await stack.api.post(`/api/v1/inventory/${path}`, body)).status;
  };
  assert.equal(await post("S/adjustments", { adjustment_id: "a", delta: 5 }), 201);
  assert.equal(await post("deduct", { sku: "S", user_id: "u", order_id: "o", amount: 1 }), 200);
  const countLines = () =>
    withConnection(
      databaseUrl,
      async (sql) => (await sql`select order_id from ${sql(namespace)}.order_lines`).length,
    );
  const what = "the order in the ledger";
  await waitFor(async () => await countLines() === 1, { deadlineMs: DEADLINE_MS, what });
  await Deno.remove(passwordFile);
});
