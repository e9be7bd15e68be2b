/**
 * Reads request bodies with limits on bytes and time, and none after the process stops.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";

/** The result of reading a body. */
export type BodyText =
  | { readonly kind: "text"; readonly text: string }
  /** More bytes than the route accepts. */
  | { readonly kind: "too_large" }
  /** The connection ended before the body was complete. */
  | { readonly kind: "cut" }
  /** The body exceeded its time limit. */
  | { readonly kind: "late" }
  /** The process stops; the request had no effect. */
  | { readonly kind: "stopping" };

/** A body that is incomplete. */
interface Pending {
  readonly sinceMs: number;
  readonly settle: (result: BodyText) => void;
}

const late: BodyText = { kind: "late" };
const stopping: BodyText = { kind: "stopping" };
const tooLarge: BodyText = { kind: "too_large" };
const cut: BodyText = { kind: "cut" };

/** The bodies that a process reads now. */
export class Bodies {
  readonly #world: World;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Pending>();
  #stopping = false;

  /** @param timeoutMs time limit of a body */
  constructor(world: World, timeoutMs: number) {
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /** Reads the body of a request, at most `bytesMax` of it; never rejects. */
  read(request: Request, bytesMax: number): Promise<BodyText> {
    const { headers } = request;
    const length = headers.get("content-length");
    // Deno enforces a Content-Length that is one number. Other bodies (`5, 5`, chunks) are counted here.
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

  /**
   * Ends bodies that exceeded their time limit. Call it about every 250 ms: a timer per body would cost 1 µs per
   * order.
   */
  sweep(): void {
    const oldestMs = this.#world.elapsedMs() - this.#timeoutMs;
    for (const pending of this.#pending) {
      if (pending.sinceMs > oldestMs) break; // in the order of arrival
      pending.settle(late);
    }
  }

  /** Ends all incomplete bodies, so that a shutdown does not wait for slow clients. */
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
  // Leaving the loop early cancels the stream: no more bytes are received.
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
