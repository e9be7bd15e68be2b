/**
 * kafkajs, loaded when it is first needed, with every option spelled out.
 *
 * Two of its layers are in use. Producers and the admin client are public. Reading is done one layer below its
 * consumer, because a consumer must join a group and a partition is ours by lease: `docs/adr` says what was measured.
 * That layer is not public, so the exact version is part of what works; the types below are all of it that we use.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { SASLOptions } from "kafkajs";

/** Where the brokers are. */
export interface TopicSpace {
  /** `host:port` or `[ipv6]:port` of some brokers; they name the others. */
  readonly brokers: readonly string[];
  /** Whether connections are encrypted, with the broker's certificate checked. */
  readonly tls?: boolean;
  /** A file with the certificates that are trusted, PEM; null = the system's. */
  readonly caFile?: string | null;
  /** The user and its password; null = no login. */
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  } | null;
  /** Told what kafkajs has to say, which is much while a broker is away. */
  readonly onLog: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** A message as a fetch decodes it. */
export interface FetchedMessage {
  /** Its place, in decimal digits. */
  readonly offset: string;
  /** Null without one. */
  readonly key: Uint8Array | null;
  /** Null for what a compacted topic forgot. */
  readonly value: Uint8Array | null;
  /** By name. */
  readonly headers: Readonly<Record<string, Uint8Array | undefined>>;
  /** A transaction's mark, which is no message. */
  readonly isControlRecord?: boolean;
}

/** A place in a partition, as several answers name it. */
export interface PartitionOffset {
  /** Its number. */
  readonly partition: number;
  /** In decimal digits; -1 = none. */
  readonly offset: string;
}

/** A connection to one broker, as kafkajs keeps it. Requests are the protocol's own. */
export interface KafkaBroker {
  /** Reads partitions that this broker leads. */
  fetch(request: object): Promise<{
    responses: { partitions: { highWatermark: string; messages: FetchedMessage[] }[] }[];
  }>;
  /** Committed places of a group that this broker coordinates. */
  offsetFetch(request: object): Promise<{ responses: { partitions: PartitionOffset[] }[] }>;
  /** Commits places. */
  offsetCommit(request: object): Promise<unknown>;
}

/** The connections to all brokers, as kafkajs keeps them. */
export interface KafkaCluster {
  /** Finds a broker that answers. */
  connect(): Promise<void>;
  /** Closes all connections. */
  disconnect(): Promise<void>;
  /** From now on metadata tells of this topic. */
  addTargetTopic(topic: string): Promise<void>;
  /** Asks who leads what. */
  refreshMetadata(): Promise<void>;
  /** Partitions by the id of the broker that leads them. */
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  /** Connects to a broker if need be. */
  findBroker(node: { nodeId: string }): Promise<KafkaBroker>;
  /** The broker that keeps a group's places. */
  findGroupCoordinator(group: { groupId: string }): Promise<KafkaBroker>;
  /** Where partitions begin or end. */
  fetchTopicsOffset(topics: object[]): Promise<{ partitions: PartitionOffset[] }[]>;
}

/** A message to be sent. */
export interface OutgoingMessage {
  /** Where to. */
  readonly partition: number;
  /** For people. */
  readonly key: string;
  /** UTF-8. */
  readonly value: Buffer;
  /** By name. */
  readonly headers: Record<string, string>;
}

/** What we use of kafkajs' producer. */
export interface KafkaProducer {
  /** Connects, and gets an id under which the broker knows duplicates. */
  connect(): Promise<void>;
  /** Closes its connections. */
  disconnect(): Promise<void>;
  /** Sends messages of one partition as one batch. */
  send(record: {
    topic: string;
    acks: number;
    timeout: number;
    compression: number;
    messages: OutgoingMessage[];
  }): Promise<unknown>;
}

/** What we use of kafkajs' admin client. */
export interface KafkaAdmin {
  /** Connects to the controller. */
  connect(): Promise<void>;
  /** Closes its connections. */
  disconnect(): Promise<void>;
  /** Names of all topics. */
  listTopics(): Promise<string[]>;
  /** How many brokers there are, and what their cluster calls itself. */
  describeCluster(): Promise<{ brokers: readonly unknown[]; clusterId: string }>;
  /** Partitions of topics, and who has copies. */
  fetchTopicMetadata(of: { topics: string[] }): Promise<{
    topics: { partitions: { replicas: readonly number[] }[] }[];
  }>;
  /** Settings of topics. */
  describeConfigs(of: {
    includeSynonyms: boolean;
    resources: { type: number; name: string; configNames: string[] }[];
  }): Promise<{ resources: { configEntries: { configName: string; configValue: string }[] }[] }>;
  /** False when there is one already. */
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

/** kafkajs, as far as a topic needs it. Each of these is to be connected. */
export interface KafkaClient {
  /** Makes a client for topics and their settings. */
  readonly admin: () => KafkaAdmin;
  /** Makes an idempotent producer. */
  readonly producer: () => KafkaProducer;
  /** Makes connections for reading. */
  readonly cluster: () => KafkaCluster;
  /** How kafkajs calls gzip. */
  readonly gzip: number;
  /** How it calls a topic among what has settings. */
  readonly topicResource: number;
}

/** How long a broker has for an answer, ms. The first attempt and one more are all: the relay tries for ever. */
export const requestTimeoutMs = 4000;
const connectionTimeoutMs = 2000;
/** 0 would take a leader that is just being elected for a failure. Each wait is 80 to 120 ms. */
const retry = {
  retries: 1,
  initialRetryTime: 100,
  maxRetryTime: 500,
  factor: 0.2,
  multiplier: 2,
};
/** A partition that moved to another broker is found at the first failure; this is for one that came and went. */
const metadataMaxAgeMs = 60_000;

/** What kafkajs asks a socket factory for. */
interface SocketRequest {
  readonly host: string;
  readonly port: number;
}

/**
 * kafkajs splits an address at its first colon, which an IPv6 address has within. Such a seed gets a name without
 * one, and the socket factory puts the address back.
 */
export function bootstrapBrokers(brokers: readonly string[]): {
  readonly names: string[];
  readonly hostOf: (name: string) => string;
} {
  const hosts = new Map<string, string>();
  const names = brokers.map((broker, i) => {
    const [, ipv6, port] = /^\[(.*)\]:(\d+)$/.exec(broker) ?? [];
    if (ipv6 === undefined) return broker;
    hosts.set(`seed-${i}.ipv6`, ipv6);
    return `seed-${i}.ipv6:${port}`;
  });
  return { names, hostOf: (name: string) => hosts.get(name) ?? name };
}

function readCa(file: string): string[] {
  try {
    return [Deno.readTextFileSync(file)];
  } catch (cause) {
    throw new RangeError(`KAFKA_CA_FILE must be a file that can be read: current value is ${file}`, {
      cause,
    });
  }
}

/** Loads kafkajs: 0.1 s and 18 MB that a worker without Kafka does not pay for. */
export async function loadKafka(place: TopicSpace, clientId: string): Promise<KafkaClient> {
  const [{ default: kafkajs }, { default: Cluster }, { default: loggers }, { default: socketFactory }] =
    await Promise.all([
      import("kafkajs"),
      import("kafkajs/src/cluster/index.js"),
      import("kafkajs/src/loggers/index.js"),
      import("kafkajs/src/network/socketFactory.js"),
    ]);
  const level = kafkajs.logLevel.WARN;
  const logCreator = () => ({ log: { message, ...fields } }: { log: { message: string } }) =>
    place.onLog(message, fields);
  const seeds = bootstrapBrokers(place.brokers);
  const openSocket = socketFactory();
  const common = {
    brokers: seeds.names,
    socketFactory: (socket: SocketRequest) => openSocket({ ...socket, host: seeds.hostOf(socket.host) }),
    ssl: place.tls ? { rejectUnauthorized: true, ...place.caFile && { ca: readCa(place.caFile) } } : false,
    ...place.sasl && { sasl: { ...place.sasl } as SASLOptions }, // a copy: kafkajs adds a member, settings are frozen
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
    producer: () =>
      kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        metadataMaxAge: metadataMaxAgeMs,
        transactionTimeout: 60_000,
        retry,
      }),
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
