/**
 * The topic as the command line shows it.
 *
 * @module
 */
import type { Config } from "../runtime/settings/config.ts";
import { KafkaTopic } from "../kafka/topic.ts";
import type { TopicLook } from "../cli/context/context.ts";
import { adviceOn } from "../runtime/advice.ts";
import { describeError } from "../runtime/logger.ts";

/** The topic of the settings; null without KAFKA_BROKERS. Changes nothing. */
export async function inspectTopic(config: Config): Promise<TopicLook | null> {
  const { namespace, shards } = config;
  const kafka = config.store.kind === "redis" ? config.store.kafka : null;
  if (kafka === null) return null;
  const opened = new KafkaTopic({ ...kafka, namespace, shards, onLog: () => {} });
  try {
    const found = await opened.inspect();
    return found ? { kind: "found", ...found } : { kind: "missing" };
  } catch (error) {
    const why = describeError(error);
    return { kind: "away", why: `${why}: ${adviceOn("KAFKA_BROKERS", why)}` };
  } finally {
    await opened.close();
  }
}
