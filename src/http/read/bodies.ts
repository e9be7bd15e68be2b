/**
 * Reads JSON bodies with limits on bytes and time, and none after the process stops.
 *
 * @module
 */
import { isAtLeast } from "../../runtime/deno_version.ts";
import type { World } from "../../runtime/world.ts";

/** The result of reading a body. */
export type Body =
  | { readonly kind: "json"; readonly value: unknown }
  /** No bytes. */
  | { readonly kind: "empty" }
  /** A text that is not JSON. */
  | { readonly kind: "not_json" }
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
  /** When a sweep first saw it, monotonic, ms; 0 = not yet. */
  sinceMs: number;
  /** Its place among the pending; -1 = it has ended. */
  index: number;
  readonly settle: (body: Body) => void;
}

const empty: Body = { kind: "empty" };
const notJson: Body = { kind: "not_json" };
const late: Body = { kind: "late" };
const stopping: Body = { kind: "stopping" };
const tooLarge: Body = { kind: "too_large" };
const cut: Body = { kind: "cut" };

/**
 * Whether Deno refuses a request that has both a length and a transfer encoding: its own HTTP parser does
 * (`socket_test.ts`), the one before 2.9 let the encoding win.
 */
const denoRefusesBoth = isAtLeast(Deno.version.deno, [2, 9]);

/** The bytes of a body when Deno enforces their number; null when they have to be counted (`5, 5`, chunks). */
export function boundOf(headers: Headers, refusesBoth: boolean): number | null {
  const length = headers.get("content-length");
  if (length === null || !/^\d{1,9}$/.test(length)) return null;
  // A header that is read costs an order 0.3 µs.
  return refusesBoth || headers.get("transfer-encoding") === null ? Number(length) : null;
}

/** The bodies that a process reads now. */
export class Bodies {
  readonly #world: World;
  readonly #timeoutMs: number;
  /** In no order. Nearly every body ends at once, and a set that is empty time and again is allocated anew each time. */
  readonly #pending: Pending[] = [];
  #stopping = false;

  /** @param timeoutMs time limit of a body, counted from the first {@link sweep} after its begin */
  constructor(world: World, timeoutMs: number) {
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Reads the body of a request, at most `bytesMax` of it, and resolves to what `use` makes of it; never rejects.
   *
   * `request.json()` takes the text of a complete body from Deno's HTTP library: a bare server that reads by it
   * costs 0.84 × of one that reads by `text()`. `headers.has()` would copy all headers first.
   */
  read<T>(request: Request, bytesMax: number, use: (body: Body) => T): Promise<T> {
    const { headers } = request;
    const bytes = boundOf(headers, denoRefusesBoth);
    if (bytes === null) return this.#inTime(readCounted(request.body, bytesMax), parsed, use);
    if (bytes === 0) return Promise.resolve(use(empty));
    return bytes > bytesMax ? Promise.resolve(use(tooLarge)) : this.#inTime(request.json(), asJson, use);
  }

  /** Waits for a body, or for the end of its time. */
  #inTime<Read, T>(
    reading: Promise<Read>,
    toBody: (read: Read) => Body,
    use: (body: Body) => T,
  ): Promise<T> {
    return new Promise((resolve) => {
      const index = this.#pending.length;
      const pending: Pending = { sinceMs: 0, index, settle: (body) => resolve(use(body)) };
      this.#pending.push(pending);
      reading.then(
        (read) => this.#end(pending, toBody(read)),
        (error) =>
          this.#end(pending, error instanceof SyntaxError ? notJson : this.#stopping ? stopping : cut),
      );
    });
  }

  /**
   * Ends bodies that exceeded their time limit. Call it about every 250 ms: a timer per body would cost 1 µs per
   * order, a reading of the clock 0.2 µs.
   */
  sweep(): void {
    const nowMs = this.#world.elapsedMs();
    for (const pending of [...this.#pending]) {
      if (pending.sinceMs === 0) pending.sinceMs = nowMs;
      if (nowMs - pending.sinceMs >= this.#timeoutMs) this.#end(pending, late);
    }
  }

  /** Ends all incomplete bodies, so that a shutdown does not wait for slow clients. */
  stop(): void {
    this.#stopping = true;
    for (const pending of [...this.#pending]) this.#end(pending, stopping);
  }

  /** A body that has ended cannot end again. */
  #end(pending: Pending, body: Body): void {
    const { index } = pending;
    if (index < 0) return;
    pending.index = -1;
    const last = this.#pending.pop();
    if (last !== undefined && last !== pending) {
      this.#pending[index] = last;
      last.index = index;
    }
    pending.settle(body);
  }
}

function asJson(value: unknown): Body {
  return { kind: "json", value };
}

function parsed(text: string | undefined): Body {
  if (text === undefined) return tooLarge;
  if (text === "") return empty;
  try {
    return asJson(JSON.parse(text));
  } catch {
    return notJson;
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
