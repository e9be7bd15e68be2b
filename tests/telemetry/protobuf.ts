/**
 * Protocol Buffers, as far as OTLP needs them: enough to read what an exporter really sent.
 *
 * @module
 */

const LITTLE_ENDIAN = true;

/** Reads one field of a message into `target`. */
export type Field<T> = (target: T, reader: Reader) => void;

/** The fields of a message by their numbers; others are skipped, as the format wants it. */
export type Fields<T> = Readonly<Record<number, Field<T>>>;

/** Reads a message from bytes. */
export class Reader {
  readonly #view: DataView<ArrayBufferLike>;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A whole message into `target`. */
  message<T>(target: T, fields: Fields<T>): T {
    while (this.#at < this.#bytes.length) {
      const tag = Number(this.varint());
      const read = fields[tag >>> 3];
      if (read) read(target, this);
      else this.#skip(tag & 7);
    }
    return target;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("Cannot read a varint past the end");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  bytes(): Uint8Array {
    const length = Number(this.varint());
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("Cannot read bytes past the end");
    return this.#bytes.subarray(start, this.#at);
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** As hexadecimal digits. */
  hex(): string {
    return this.bytes().toHex();
  }

  fixed32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, LITTLE_ENDIAN);
  }

  fixed64(): bigint {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, LITTLE_ENDIAN);
  }

  double(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, LITTLE_ENDIAN);
  }

  /** A message within this one. */
  inner<T>(target: T, fields: Fields<T>): T {
    return new Reader(this.bytes()).message(target, fields);
  }

  /** A repeated number of 8 bytes, packed. */
  packed<N>(read: (reader: Reader) => N): N[] {
    const bytes = this.bytes();
    const inner = new Reader(bytes);
    return Array.from({ length: bytes.length / 8 }, () => read(inner));
  }

  #skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#at += 8;
    else if (wireType === 2) this.bytes();
    else if (wireType === 5) this.#at += 4;
    else throw new TypeError(`Cannot read wire type ${wireType}`);
  }
}
