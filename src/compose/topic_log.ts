/**
 * The log read through Kafka.
 *
 * @module
 */
import type { KafkaConfig } from "../runtime/settings/config.ts";
import { KafkaTopic } from "../kafka/topic.ts";
import type { EventLog } from "../log/event_log.ts";
import { RelayedLog } from "../log/relayed_log.ts";
import { logWayOf } from "../log/topic.ts";
import { orExit } from "../runtime/lifecycle.ts";
import { logRelay, reportTopic } from "../worker/relay_report.ts";
import type { Process } from "./process.ts";

/** A log and its source: `stream`, or the topic and its cluster; undefined while that is unknown. */
export interface NamedLog {
  readonly log: EventLog;
  readonly logWay: () => Promise<string | undefined>;
}

/** Relays `stream` through the topic. Does not wait for an unavailable Kafka; refuses a topic with other settings. */
export async function openTopicLog(
  { config, world, logger, telemetry }: Process,
  kafka: KafkaConfig,
  stream: EventLog,
  deployment: string,
): Promise<NamedLog> {
  const topic = new KafkaTopic({
    ...kafka,
    namespace: config.namespace,
    shards: config.shards,
    onLog: (message, fields) => logger.debug("kafka", { message, ...fields }),
  });
  await orExit(reportTopic(topic, logger));
  const observer = telemetry?.worker;
  const log = new RelayedLog({
    stream,
    topic,
    deployment,
    world,
    onEvent: logRelay(logger),
    ...observer && {
      onAppended: (...appended) => observer.appended(...appended),
      onProgress: (shard, { unread }) => observer.topicRead(shard, unread),
    },
  });
  let way: string | undefined;
  const logWay = async () => {
    // Arming has just called the broker, so it answers; if it fails now, the next arming publishes it.
    way ??= await topic.prepare().then(logWayOf, () => undefined);
    return way;
  };
  return { log, logWay };
}
