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

/**
 * Forgets what it has no room for: then the record is decoded.
 *
 * In arrays, which end with their step. A map that grows and shrinks kept all entries that it ever had alive until the next
 * full garbage collection, because each of its earlier tables leads to the next: 2 to 4 µs an order.
 */
export class OwnMessages {
  /** In the order of the topic. */
  #encoded: readonly EncodedEntry[] = [];
  /** Index of the first that was not handed on. */
  #next = 0;

  remember(encoded: readonly EncodedEntry[]): void {
    const waiting = this.#encoded.slice(this.#next);
    this.#encoded = waiting.length + encoded.length > messagesMax ? encoded : [...waiting, ...encoded];
    this.#next = 0;
  }

  /** The entry of a record, if it is exactly what was appended. */
  entryOf({ key, value, headers }: TopicRecord): LogEntry | undefined {
    const own = this.#encoded[this.#indexOf(key)];
    if (!own || own.message.value !== value) return undefined;
    const { schema, deployment } = own.message.headers;
    return headers.schema === schema && headers.deployment === deployment ? own.entry : undefined;
  }

  /** It was handed on, and with it all that is before it. */
  forget(key: string): void {
    const index = this.#indexOf(key);
    if (index >= 0) this.#next = index + 1;
  }

  clear(): void {
    this.#encoded = [];
    this.#next = 0;
  }

  /** Nearly always the next one. */
  #indexOf(key: string): number {
    let index = this.#next;
    while (index < this.#encoded.length && this.#encoded[index]?.message.key !== key) index++;
    return index < this.#encoded.length ? index : -1;
  }
}
