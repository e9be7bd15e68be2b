/**
 * Log lines about the topic between stream and ledger.
 *
 * @module
 */
import type { RelayEvent } from "../log/relayed_log.ts";
import { ForeignMessage } from "../log/message.ts";
import { adviceOn } from "../runtime/advice.ts";
import { type Topic, TopicAway } from "../log/topic.ts";
import { describeError, type Logger } from "../runtime/logger.ts";

/** Writes one log line per event. */
export function logRelay(logger: Logger): (event: RelayEvent) => void {
  return (event) => {
    const { shard } = event;
    switch (event.kind) {
      case "gap":
        return logger.warn("topic has a gap, relayed again", { shard, after: event.after.seq });
      case "away":
        return logger.warn("topic unavailable, the stream keeps the log", {
          shard,
          error: describeError(event.error),
        });
      case "back":
        return logger.info("topic available again", { shard, awayMs: event.awayMs });
      case "created":
        return logger.warn("topic was missing and has been created", { shard });
      case "jump":
        return logger.warn("numbers are missing from the topic, which has a jump instead", {
          shard,
          from: event.from,
          to: event.to,
        });
      case "unreadable":
        return logger.warn(
          event.error instanceof ForeignMessage
            ? "record of another deployment skipped"
            : "record with an unknown schema skipped",
          {
            shard,
            offset: event.offset,
            error: describeError(event.error),
          },
        );
    }
  };
}

/**
 * Prepares the topic and logs its properties. An unavailable topic is prepared at its first read.
 *
 * @throws {RangeError} when the topic does not fit the settings
 */
export async function reportTopic(topic: Topic, logger: Logger): Promise<void> {
  try {
    const facts = await topic.prepare();
    logger.info("topic", { ...facts });
    if (facts.partitions > facts.used) {
      logger.warn("topic has more partitions than there are shards: the first are used", {
        topic: facts.topic,
        partitions: facts.partitions,
        shards: facts.used,
      });
    }
    if (facts.minInsyncReplicas < 2) {
      logger.warn("topic acknowledges messages that only one broker has stored", { topic: facts.topic });
    }
  } catch (error) {
    if (!(error instanceof TopicAway)) throw error;
    const why = describeError(error);
    logger.warn("topic unavailable", { error: why, mend: adviceOn("KAFKA_BROKERS", why) });
  }
}
