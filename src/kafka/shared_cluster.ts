/**
 * The connections on which all shards read, until a call on them hears nothing.
 *
 * @module
 */
import type { KafkaCluster } from "./client.ts";

interface Link {
  readonly opening: Promise<KafkaCluster>;
  /** Calls in progress. */
  users: number;
}

/**
 * Connects at the first call, and anew after a call without a reply: kafkajs keeps a connection whose requests time
 * out, and after a cut of the network TCP sends on it again only after as long as the cut lasted.
 */
export class SharedCluster {
  readonly #open: () => Promise<KafkaCluster>;
  #current: Link | undefined;

  constructor(open: () => Promise<KafkaCluster>) {
    this.#open = open;
  }

  /** Calls `ask` with connections. Errors are those of `ask`, and of connecting. */
  async use<T>(ask: (cluster: KafkaCluster) => Promise<T>): Promise<T> {
    const link = this.#current ??= { opening: this.#open(), users: 0 };
    link.users++;
    try {
      return await ask(await link.opening);
    } catch (error) {
      if (this.#current === link && !isReply(error)) this.#current = undefined;
      throw error;
    } finally {
      link.users--;
      // Not before the last call has ended: kafkajs times no request out on a connection that it is closing.
      if (link !== this.#current && link.users === 0) void disconnect(link);
    }
  }

  /** Closes; calls in progress end first. */
  async close(): Promise<void> {
    const link = this.#current;
    this.#current = undefined;
    if (link) await disconnect(link);
  }
}

async function disconnect({ opening }: Link): Promise<void> {
  await opening.then((cluster) => cluster.disconnect()).catch(() => {}); // it never connected
}

/** The type of an error that a broker has replied; undefined for all others. */
export function typeOf(error: unknown): unknown {
  return error instanceof Error && "type" in error ? error.type : undefined;
}

function isReply(error: unknown): boolean {
  return typeOf(error) !== undefined || error instanceof Error && typeOf(error.cause) !== undefined;
}
