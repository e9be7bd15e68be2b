/**
 * What is worth telling of the topic between stream and books, as log lines.
 *
 * @module
 */
import type { RelayEvent } from "../log/relayed_log.ts";
import { ForeignMessage } from "../log/message.ts";
import { adviceOn } from "../runtime/advice.ts";
import { type Topic, TopicAway } from "../log/topic.ts";
import { describeError, type Logger } from "../runtime/logger.ts";

/** Writes a line an event. */
export function tellRelay(logger: Logger): (event: RelayEvent) => void {
  return (event) => {
    const { shard } = event;
    switch (event.kind) {
      case "gap":
        return logger.warn("topic has a gap, relayed again", { shard, after: event.after.seq });
      case "away":
        return logger.warn("topic is away, the stream holds the log", {
          shard,
          error: describeError(event.error),
        });
      case "back":
        return logger.info("topic is back", { shard, awayMs: event.awayMs });
      case "created":
        return logger.warn("topic was missing, made anew", { shard });
      case "jump":
        return logger.warn("numbers do not come into the topic, it has a jump", {
          shard,
          from: event.from,
          to: event.to,
        });
      case "unreadable":
        return logger.warn(
          event.error instanceof ForeignMessage
            ? "record of another deployment, passed over"
            : "record is not ours, passed over",
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
 * Prepares the topic and says what it promises. One that is away is prepared when it is first read.
 *
 * @throws {RangeError} when it cannot be used as it is
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
      logger.warn("topic has messages on one broker only when it acknowledges them", { topic: facts.topic });
    }
  } catch (error) {
    if (!(error instanceof TopicAway)) throw error;
    const why = describeError(error);
    logger.warn("topic is away", { error: why, mend: adviceOn("KAFKA_BROKERS", why) });
  }
}
