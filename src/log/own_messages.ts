/**
 * The messages that a relay has appended and not read back yet. A record that is equal to one of them needs no decoding:
 * that was 3 of the 5.6 µs an order that a topic costs the worker.
 *
 * @module
 */
import type { LogEntry } from "../domain/event.ts";
import type { EncodedEntry } from "./message.ts";
import type { TopicRecord } from "./topic.ts";

/** A step appends 64 entries; more wait only when pages are smaller than steps. */
const messagesMax = 256;

/** Forgets what it has no room for: then the record is decoded. */
export class OwnMessages {
  readonly #byKey = new Map<string, EncodedEntry>();

  remember(encoded: readonly EncodedEntry[]): void {
    if (this.#byKey.size + encoded.length > messagesMax) this.#byKey.clear();
    for (const one of encoded) this.#byKey.set(one.message.key, one);
  }

  /** The entry of a record, if it is exactly what was appended. */
  entryOf({ key, value, headers }: TopicRecord): LogEntry | undefined {
    const own = this.#byKey.get(key);
    if (!own || own.message.value !== value) return undefined;
    const { schema, deployment } = own.message.headers;
    return headers.schema === schema && headers.deployment === deployment ? own.entry : undefined;
  }

  /** It was handed on. */
  forget(key: string): void {
    this.#byKey.delete(key);
  }

  clear(): void {
    this.#byKey.clear();
  }
}
