/**
 * An idempotent producer of one partition, on kafkajs' connections.
 *
 * kafkajs' own producer copies the messages of a batch once for each of them, and passes each request through two locks, a
 * state machine and a retry. An order costs a worker that catches up 16 µs of CPU with it, 15 with this one.
 *
 * @module
 */
import { realWorld, sleep } from "../runtime/world.ts";
import {
  type KafkaCluster,
  leaderOf,
  type OutgoingMessage,
  type ProducerId,
  requestTimeoutMs,
} from "./client.ts";
import { typeOf } from "./shared_cluster.ts";

export interface PartitionProducerParts {
  /** Used by this producer alone: a request waits at the broker for those before it on its connection. */
  readonly cluster: KafkaCluster;
  readonly topic: string;
  readonly partition: number;
  /** kafkajs' number of the compression. */
  readonly compression: number;
}

/** Time in which the partition's leader may be elected. */
const retryAfterMs = 100;
/** Of transactions, which this producer has none of. */
const transactionTimeoutMs = 60_000;
/** Sequence numbers are of 31 bits, and start over. */
const sequences = 2 ** 31;
const allReplicas = -1;
/** kafkajs' name of Kafka's error 14. */
const loading = "GROUP_LOAD_IN_PROGRESS";

/** Broken after a failed {@link send}: whether its messages were written is unknown, and so is the next sequence number. */
export class PartitionProducer {
  readonly #parts: PartitionProducerParts;
  readonly #id: ProducerId;
  #sequence = 0;
  #isSending = false;
  #isClosed = false;

  private constructor(parts: PartitionProducerParts, { producerId, producerEpoch }: ProducerId) {
    this.#parts = parts;
    this.#id = { producerId, producerEpoch };
  }

  /** Gets the id by which a broker detects duplicates. One that has just started has none to give yet. */
  static async open(parts: PartitionProducerParts): Promise<PartitionProducer> {
    const { cluster, topic, partition } = parts;
    const untilMs = realWorld.elapsedMs() + requestTimeoutMs;
    for (;;) {
      const broker = await leaderOf(cluster, topic, partition);
      try {
        return new PartitionProducer(
          parts,
          await broker.initProducerId({ transactionTimeout: transactionTimeoutMs }),
        );
      } catch (error) {
        if (typeOf(error) !== loading || realWorld.elapsedMs() > untilMs) throw error;
        await sleep(realWorld, retryAfterMs);
      }
    }
  }

  /**
   * Sends messages as one batch, a second time after a failure: with the same number, it is not written twice. Refused while
   * another is on its way: both would have one number, and a broker acknowledges and discards the second.
   */
  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    if (this.#isSending) throw new Error("Cannot send a batch as another one is on its way");
    this.#isSending = true;
    try {
      await this.#produceOrRetry(messages);
      this.#sequence = (this.#sequence + messages.length) % sequences;
    } finally {
      this.#isSending = false;
    }
  }

  async #produceOrRetry(messages: readonly OutgoingMessage[]): Promise<void> {
    try {
      await this.#produce(messages);
    } catch (first) {
      await sleep(realWorld, retryAfterMs);
      if (this.#isClosed) throw first; // a second attempt would connect anew
      try {
        await this.#parts.cluster.refreshMetadata(); // the leader may have moved
        await this.#produce(messages);
      } catch (second) {
        if (second instanceof Error && second !== first) second.cause ??= first;
        throw second;
      }
    }
  }

  async #produce(messages: readonly OutgoingMessage[]): Promise<void> {
    const { cluster, topic, partition, compression } = this.#parts;
    const broker = await leaderOf(cluster, topic, partition);
    const partitions = [{ partition, firstSequence: this.#sequence, messages }];
    await broker.produce({
      ...this.#id,
      acks: allReplicas,
      timeout: requestTimeoutMs,
      compression,
      topicData: [{ topic, partitions }],
    });
  }

  /** Closes its connections; a batch on its way is not sent again. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#parts.cluster.disconnect();
  }
}
