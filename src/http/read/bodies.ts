/**
 * Reading bodies: at most so many bytes, in at most so much time, and no longer once the process stops.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";

/** How reading a body ended. */
export type BodyText =
  | { readonly kind: "text"; readonly text: string }
  /** More bytes than the route takes. */
  | { readonly kind: "too_large" }
  /** The connection ended before the body did. */
  | { readonly kind: "cut" }
  /** It did not arrive in time. */
  | { readonly kind: "late" }
  /** The process stops; the request was certainly not taken. */
  | { readonly kind: "stopping" };

/** A body that has not arrived yet. */
interface Pending {
  readonly sinceMs: number;
  readonly settle: (result: BodyText) => void;
}

const late: BodyText = { kind: "late" };
const stopping: BodyText = { kind: "stopping" };
const tooLarge: BodyText = { kind: "too_large" };
const cut: BodyText = { kind: "cut" };

/** The bodies that a process is reading. */
export class Bodies {
  readonly #world: World;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Pending>();
  #stopping = false;

  /**
   * Reads nothing yet.
   *
   * @param timeoutMs how long a body may take to arrive
   */
  constructor(world: World, timeoutMs: number) {
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /** Reads the body of a request, at most `bytesMax` of it; never rejects. */
  read(request: Request, bytesMax: number): Promise<BodyText> {
    const { headers } = request;
    const length = headers.get("content-length");
    // Deno holds a body to a Content-Length that is one number. Anything else (`5, 5`, chunks) is counted here.
    const isBounded = length !== null && /^\d{1,9}$/.test(length) && !headers.has("transfer-encoding");
    if (isBounded && Number(length) > bytesMax) return Promise.resolve(tooLarge);
    return new Promise((resolve) => {
      const pending: Pending = {
        sinceMs: this.#world.elapsedMs(),
        settle: (result) => {
          this.#pending.delete(pending);
          resolve(result);
        },
      };
      this.#pending.add(pending);
      const reading = isBounded ? request.text() : readCounted(request.body, bytesMax);
      reading.then(
        (text) => pending.settle(text === undefined ? tooLarge : { kind: "text", text }),
        () => pending.settle(this.#stopping ? stopping : cut),
      );
    });
  }

  /** Settles bodies that are late. To be called every 250 ms or so: a timer for each body would cost an order 1 µs. */
  sweep(): void {
    const oldestMs = this.#world.elapsedMs() - this.#timeoutMs;
    for (const pending of this.#pending) {
      if (pending.sinceMs > oldestMs) break; // in the order in which they began
      pending.settle(late);
    }
  }

  /** Settles every body that has not arrived: nothing waits for a slow client any more. */
  stop(): void {
    this.#stopping = true;
    for (const pending of this.#pending) pending.settle(stopping);
  }
}

/** Resolves to undefined when the body is too large. */
async function readCounted(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<string | undefined> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // Leaving the loop early cancels the stream: nothing more is received.
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
