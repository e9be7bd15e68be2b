/**
 * kafkajs, loaded at first use, with every option explicit.
 *
 * Two of its layers are in use. The admin client is public. Reading and writing use the layer below its consumer and its
 * producer: a consumer must join a group, and partitions are assigned by lease; the producer costs more than what it sends
 * (see `docs/adr` for the measurements). That layer is not public, so its exact version is pinned; the types below are the
 * parts in use.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { SASLOptions } from "kafkajs";
import { realWorld } from "../runtime/world.ts";
import { compress, decompress } from "./gzip.ts";
import { replaceBatchCodec, stopPolling } from "./patches.ts";

export interface TopicSpace {
  /** `host:port` or `[ipv6]:port` of some brokers, from which the others are discovered. */
  readonly brokers: readonly string[];
  /** Whether connections are encrypted, with the broker's certificate checked. */
  readonly tls?: boolean;
  /** File with trusted CA certificates, PEM; null = the system's. */
  readonly caFile?: string | null;
  /** Credentials; null = no authentication. */
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  } | null;
  /** Receives the log messages of kafkajs, which are many while a broker is unavailable. */
  readonly onLog: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** A message as a fetch decodes it. */
export interface FetchedMessage {
  /** Decimal digits. */
  readonly offset: string;
  readonly key: Uint8Array | null;
  /** Null for a record that a compacted topic deleted. */
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, Uint8Array | undefined>>;
  /** A transaction marker, which is not a message. */
  readonly isControlRecord?: boolean;
  /** The message, when this process sent it and its batch came back unchanged: then key, value and headers are empty. */
  readonly sent?: OutgoingMessage;
}

/** An offset in a partition, in several responses. */
export interface PartitionOffset {
  readonly partition: number;
  /** Decimal digits; -1 = none. */
  readonly offset: string;
}

/** By it and the sequence numbers, a broker detects duplicates. */
export interface ProducerId {
  /** Decimal digits. */
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** kafkajs' connection to one broker. Requests are those of the protocol. */
export interface KafkaBroker {
  /** Reads partitions that this broker leads. */
  fetch(request: object): Promise<{
    responses: { partitions: { highWatermark: string; messages: FetchedMessage[] }[] }[];
  }>;
  /** Committed offsets of a group that this broker coordinates. */
  offsetFetch(request: object): Promise<{ responses: { partitions: PartitionOffset[] }[] }>;
  offsetCommit(request: object): Promise<unknown>;
  initProducerId(request: object): Promise<ProducerId>;
  /** Appends to partitions that this broker leads. */
  produce(request: object): Promise<unknown>;
}

/** kafkajs' connections to all brokers. */
export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Includes the topic in metadata. */
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Partitions by the id of the broker that leads them. */
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<KafkaBroker>;
  /** The broker that stores a group's offsets. */
  findGroupCoordinator(group: { groupId: string }): Promise<KafkaBroker>;
  fetchTopicsOffset(topics: object[]): Promise<{ partitions: PartitionOffset[] }[]>;
}

export interface OutgoingMessage {
  readonly partition: number;
  readonly key: string;
  readonly value: string;
  /** Length of the value in UTF-8. */
  readonly valueBytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface KafkaAdmin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  listTopics(): Promise<string[]>;
  /** Brokers and cluster id. */
  describeCluster(): Promise<{ brokers: readonly unknown[]; clusterId: string }>;
  /** Partitions of topics and their replicas. */
  fetchTopicMetadata(of: { topics: string[] }): Promise<{
    topics: { partitions: { replicas: readonly number[] }[] }[];
  }>;
  describeConfigs(of: {
    includeSynonyms: boolean;
    resources: { type: number; name: string; configNames: string[] }[];
  }): Promise<{ resources: { configEntries: { configName: string; configValue: string }[] }[] }>;
  /** Resolves to false when the topic exists. */
  createTopics(of: {
    waitForLeaders: boolean;
    validateOnly: boolean;
    timeout: number;
    topics: {
      topic: string;
      numPartitions: number;
      replicationFactor: number;
      configEntries: { name: string; value: string }[];
    }[];
  }): Promise<boolean>;
}

/** The parts of kafkajs that a topic needs. The caller connects each of them. */
export interface KafkaClient {
  readonly admin: () => KafkaAdmin;
  readonly cluster: () => KafkaCluster;
  /** kafkajs' number for gzip. */
  readonly gzip: number;
  /** kafkajs' number for the resource type topic. */
  readonly topicResource: number;
}

/** The connected leader of a partition, by the metadata at hand. */
export async function leaderOf(
  cluster: KafkaCluster,
  topic: string,
  partition: number,
): Promise<KafkaBroker> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) throw new Error(`partition ${partition} of '${topic}' has no leader`);
  return await cluster.findBroker({ nodeId });
}

/** Timeout of a request, ms. kafkajs retries once; the relay retries for ever. */
export const requestTimeoutMs = 4000;
const connectionTimeoutMs = 2000;
/** With 0 retries, the election of a leader would be a failure. Each wait is 80 to 120 ms. */
const retry = {
  retries: 1,
  initialRetryTime: 100,
  maxRetryTime: 500,
  factor: 0.2,
  multiplier: 2,
};
/** A moved partition is found at the first failure; this is for one that moved away and back. */
const metadataMaxAgeMs = 60_000;

interface SocketRequest {
  readonly host: string;
  readonly port: number;
}

/**
 * kafkajs splits an address at its first colon, which an IPv6 address contains. Such a broker gets a name without colons,
 * and the socket factory replaces the name by the address.
 */
export function bootstrapBrokers(brokers: readonly string[]): {
  readonly names: string[];
  readonly hostOf: (name: string) => string;
} {
  const hosts = new Map<string, string>();
  const names = brokers.map((broker, i) => {
    const [, ipv6, port] = /^\[(.*)\]:(\d+)$/.exec(broker) ?? [];
    if (ipv6 === undefined) return broker;
    hosts.set(`bootstrap-${i}.ipv6`, ipv6);
    return `bootstrap-${i}.ipv6:${port}`;
  });
  return { names, hostOf: (name: string) => hosts.get(name) ?? name };
}

function readCa(file: string): string[] {
  try {
    return [Deno.readTextFileSync(file)];
  } catch (cause) {
    throw new RangeError(`KAFKA_CA_FILE must be a readable file: current value is ${file}`, {
      cause,
    });
  }
}

const fastGzip = {
  compress: async (encoder: { readonly buffer: Buffer }) => await compress(encoder.buffer),
  // deno-lint-ignore require-await -- kafkajs waits for a promise
  async decompress(bytes: Buffer): Promise<Buffer> {
    const records = decompress(bytes);
    if (!records) throw new Error("Cannot read a batch as it unpacks to too much");
    return records;
  },
};

let isPatched = false;

/** The modules of kafkajs in use, with their corrections. */
async function importKafkajs() {
  const [
    { default: kafkajs },
    { default: Cluster },
    { default: loggers },
    { default: RequestQueue },
    { default: socketFactory },
    { default: { requests } },
    { default: crc32C },
  ] = await Promise.all([
    import("kafkajs"),
    import("kafkajs/src/cluster/index.js"),
    import("kafkajs/src/loggers/index.js"),
    import("kafkajs/src/network/requestQueue/index.js"),
    import("kafkajs/src/network/socketFactory.js"),
    import("kafkajs/src/protocol/requests/index.js"),
    import("kafkajs/src/protocol/recordBatch/crc32C/index.js"),
  ]);
  if (!isPatched) {
    stopPolling(RequestQueue);
    replaceBatchCodec(requests, {
      crc32C,
      now: () => realWorld.now(),
    });
    isPatched = true;
  }
  return { kafkajs, Cluster, loggers, socketFactory };
}

/** Loads kafkajs. A worker without Kafka saves 0.1 s and 18 MB. */
export async function loadKafka(brokers: TopicSpace, clientId: string): Promise<KafkaClient> {
  const { kafkajs, Cluster, loggers, socketFactory } = await importKafkajs();
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = () => fastGzip;
  const level = kafkajs.logLevel.WARN;
  const logCreator = () => ({ log: { message, ...fields } }: { log: { message: string } }) =>
    brokers.onLog(message, fields);
  const bootstrap = bootstrapBrokers(brokers.brokers);
  const openSocket = socketFactory();
  const common = {
    brokers: bootstrap.names,
    socketFactory: (socket: SocketRequest) => openSocket({ ...socket, host: bootstrap.hostOf(socket.host) }),
    ssl: brokers.tls
      ? { rejectUnauthorized: true, ...brokers.caFile && { ca: readCa(brokers.caFile) } }
      : false,
    ...brokers.sasl && { sasl: { ...brokers.sasl } as SASLOptions }, // a copy: kafkajs adds a member, and settings are frozen
    clientId, // shows in the brokers' logs and quotas
    connectionTimeout: connectionTimeoutMs,
    authenticationTimeout: connectionTimeoutMs,
    reauthenticationThreshold: 10_000,
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    retry,
  };
  const kafka = new kafkajs.Kafka({ ...common, logLevel: level, logCreator });
  return {
    admin: () => kafka.admin({ retry }),
    cluster: () =>
      new Cluster({
        ...common,
        logger: loggers.createLogger({ level, logCreator }),
        metadataMaxAge: metadataMaxAgeMs,
        allowAutoTopicCreation: false,
        maxInFlightRequests: null,
        isolationLevel: 0,
      }),
    gzip: kafkajs.CompressionTypes.GZIP,
    topicResource: kafkajs.ConfigResourceTypes.TOPIC,
  };
}
