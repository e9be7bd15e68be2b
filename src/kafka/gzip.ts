/**
 * Gzip of batches, with a limit on what a batch unpacks to.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { promisify } from "node:util";
import zlib from "node:zlib";

/** Level 1, where kafkajs takes zlib's 6: see docs/performance.md. */
const level = 1;
/** Up to here, compressing takes less than the thread and the stream that node's asynchronous form makes for it: 0.1 ms. */
const syncBytesMax = 65_536;
/** Largest unpacked size of a batch. Ours have at most the topic's `max.message.bytes`, 1 MiB by default. */
export const unpackedBytesMax = 64 * 1024 * 1024;

const compressLater = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);

/** Compresses records. */
export function compress(records: Buffer): Buffer | Promise<Buffer> {
  return records.length <= syncBytesMax
    ? zlib.gzipSync(records, { level })
    : compressLater(records, { level });
}

/** Decompresses records. Undefined when they have more than {@link unpackedBytesMax} bytes: 64 KB can unpack to 64 MB. */
export function decompress(records: Buffer): Buffer | undefined {
  try {
    return zlib.gunzipSync(records, { maxOutputLength: unpackedBytesMax });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
