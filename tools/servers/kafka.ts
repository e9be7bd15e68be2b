/**
 * A real Kafka for one test, of one node or of several, which may kill, freeze and restart it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { runCommand } from "./command.ts";
import { programOf } from "./install.ts";
import { KAFKA_JAR } from "./install_kafka.ts";
import type { Host } from "./network.ts";
import { freePort } from "./port.ts";
import { OwnServer } from "./own_server.ts";
import { startProcess } from "./process.ts";
import { dataDir } from "./run_folder.ts";

// 4 s on a machine of two cores, 3 s when it is warm.
const READY_DEADLINE_MS = 90_000;
const FORMAT_DEADLINE_MS = 60_000;

// Small and quick to start; only the first compiler, as a test ends before the second pays.
const JVM_FLAGS = [
  "-Xms128m",
  "-Xmx512m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-XX:+ExitOnOutOfMemoryError",
];
const LOG_FLAGS = [
  "defaultLogLevel=warn",
  "log.kafka.server.KafkaRaftServer=info", // it says when it has started
  "logFile=System.out",
].map((setting) => `-Dorg.slf4j.simpleLogger.${setting}`);
const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk";

/** How clients reach it, and which cluster it belongs to. */
export interface KafkaOptions {
  /** Its id, and all members of its cluster; alone when left out. */
  readonly member?: { readonly id: number; readonly all: readonly KafkaServer[] };
  /** Given the broker's port, the port that it tells clients: one of a proxy in front. Its own when left out. */
  readonly advertise?: (port: number) => number;
  /** TLS and logins for clients; left out = neither. */
  readonly secure?: KafkaSecurity;
  /** Where it runs; this machine, on loopback, when left out. */
  readonly host?: Host;
}

/** How a broker proves who it is, and whom it lets in. */
export interface KafkaSecurity {
  /** A file with the broker's key and certificate, PEM. */
  readonly keystoreFile: string;
  /** A file with the certificate of its authority, PEM. */
  readonly caFile: string;
  /** The one user that may come in, by every mechanism. */
  readonly username: string;
  /** Its password. */
  readonly password: string;
}

/** Starts a broker with a data folder of its own; returns when it answers. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const server = new KafkaServer(await dataDir("kafka"), options);
  await server.start();
  return server;
}

/** Starts brokers of one cluster, each of which is a controller too; returns when all of them answer. */
export async function startKafkaCluster(brokers: number): Promise<KafkaCluster> {
  const all: KafkaServer[] = [];
  for (let i = 0; i < brokers; i++) {
    all.push(new KafkaServer(await dataDir("kafka"), { member: { id: i + 1, all } }));
  }
  const end = async () => void await Promise.allSettled(all.map((server) => server[Symbol.asyncDispose]()));
  // One alone finds no majority, and is not ready before another is there.
  const started = await Promise.allSettled(all.map((server) => server.start()));
  const failed = started.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") {
    await end();
    throw failed.reason;
  }
  return { brokers: all, [Symbol.asyncDispose]: end };
}

/** Brokers that copy each other's partitions. */
export interface KafkaCluster extends AsyncDisposable {
  readonly brokers: readonly KafkaServer[];
}

/** A broker on a port and folder that stay the same over {@link KafkaServer.kill} and a new start. */
export class KafkaServer extends OwnServer {
  /** Its address for clients. */
  readonly broker: string;
  readonly #controllerPort = freePort();
  readonly #secure: KafkaSecurity | undefined;
  readonly #id: number;
  readonly #members: readonly KafkaServer[];
  readonly #host: Host | undefined;
  readonly #address: string;

  /** Use {@link startKafka}. */
  constructor(dir: string, { advertise = (port) => port, secure, member, host }: KafkaOptions) {
    super(dir, "Kafka");
    this.#secure = secure;
    this.#id = member?.id ?? 1;
    this.#members = member?.all ?? [this];
    this.#host = host;
    this.#address = host?.address ?? "127.0.0.1";
    this.broker = `${this.#address}:${advertise(this.port)}`;
  }

  /** Starts it, the first time or again; returns when it answers. */
  async start(): Promise<void> {
    const properties = join(this.dir, "server.properties");
    const java = [...JVM_FLAGS, ...LOG_FLAGS, "-cp", join(dirname(programOf("kafka", KAFKA_JAR)), "*")];
    if (!await exists(properties)) {
      await Deno.writeTextFile(properties, this.#properties());
      await runCommand("java", [
        ...java,
        "kafka.tools.StorageTool",
        "format",
        "-t",
        CLUSTER_ID,
        "-c",
        properties,
        ...this.#scramUsers(),
      ], {
        deadlineMs: FORMAT_DEADLINE_MS,
      });
    }
    const args = [...java, "kafka.Kafka", properties];
    await this.startOnce(() =>
      startProcess({
        ...this.#host?.command("java", args) ?? { command: "java", args },
        readyLine: /Kafka Server started/,
        readyDeadlineMs: READY_DEADLINE_MS,
      })
    );
  }

  #scramUsers(): string[] {
    if (this.#secure === undefined) return [];
    const { username, password } = this.#secure;
    return ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
      "--add-scram",
      `${mechanism}=[name=${username},password=${password}]`,
    ]);
  }

  #security(): Record<string, string> {
    if (this.#secure === undefined) return {};
    const { keystoreFile, caFile, username, password } = this.#secure;
    const plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
    const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    return {
      "listeners": `SASL_SSL://127.0.0.1:${this.port},CONTROLLER://127.0.0.1:${this.#controllerPort}`,
      "advertised.listeners": `SASL_SSL://${this.broker}`,
      "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
      "inter.broker.listener.name": "SASL_SSL",
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
      "sasl.mechanism.inter.broker.protocol": "PLAIN",
      "listener.name.sasl_ssl.plain.sasl.jaas.config":
        `${plain} required username="${username}" password="${password}" user_${username}="${password}";`,
      "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
      "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keystoreFile,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": caFile,
    };
  }

  #properties(): string {
    const voters = this.#members.map((member) =>
      `${member.#id}@${member.#address}:${member.#controllerPort}`
    );
    const replicas = Math.min(this.#members.length, 3);
    return Object.entries({
      "process.roles": "broker,controller",
      "node.id": this.#id,
      "listeners":
        `PLAINTEXT://${this.#address}:${this.port},CONTROLLER://${this.#address}:${this.#controllerPort}`,
      "advertised.listeners": `PLAINTEXT://${this.broker}`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.voters": voters.join(),
      "log.dirs": join(this.dir, "data"),
      "auto.create.topics.enable": false,
      "offsets.topic.replication.factor": replicas,
      "offsets.topic.num.partitions": 2,
      "transaction.state.log.replication.factor": replicas,
      "transaction.state.log.min.isr": Math.max(1, replicas - 1),
      "transaction.state.log.num.partitions": 2,
      "group.initial.rebalance.delay.ms": 0,
      // A broker that was killed is believed dead for as long: 9 s by default.
      "broker.session.timeout.ms": 3000,
      "broker.heartbeat.interval.ms": 500,
      "log.cleaner.dedupe.buffer.size": 16_777_216,
      ...this.#security(),
    }).map(([name, value]) => `${name}=${value}\n`).join("");
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
