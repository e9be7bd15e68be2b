/**
 * One request, sent until somebody decides it: every try has the same bytes, and the server makes the same
 * order id take effect once, so sending again is safe whatever became of the try before.
 *
 * @module
 */
import type { Random, Sleep } from "./defaults.ts";
import type { Cause } from "./outcome.ts";

/** What is sent, the same on every try. */
export interface Call {
  /** HTTP method. */
  readonly method: "GET" | "POST" | "PUT";
  /** The full URL. */
  readonly url: string;
  /** Headers of every try. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the very first try alone. */
  readonly firstHeaders: Readonly<Record<string, string>>;
  /** JSON; null = no body. */
  readonly body: string | null;
}

/** An answer that was read to its end. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** Headers. */
  readonly headers: Headers;
  /** The JSON object in the body; empty when it held anything else. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Bounds of a call, and the world it runs in. */
export interface RetryOptions {
  /** Sends one request. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Waits between tries, and bounds them. */
  readonly sleep: Sleep;
  /** Spreads the waits. */
  readonly random: Random;
  /** Tries in all. */
  readonly attemptsMax: number;
  /** How long one try may take, ms. */
  readonly timeoutMs: number;
}

/** How a call ended. */
export type CallResult<Value> =
  | { readonly kind: "decided"; readonly value: Value }
  | { readonly kind: "refused"; readonly answer: Answer; readonly afterUnknown: boolean }
  | { readonly kind: "unknown"; readonly deadline: string | null; readonly cause: Cause };

/** One try: an answer that was read to its end, or why there is none. */
export type Try = Answer | { readonly status: 0; readonly error: unknown };

/** The first wait is 0..100 ms: longer than a queue of the server takes to empty. */
const backoffFirstMs = 100;
/** No wait grows beyond this: a worker takes over a shard within 5 s. */
const backoffMaxMs = 5000;
/** Nobody waits longer than this in one call: a server that asks for more gets no further try. */
const retryAfterMaxMs = 30_000;

/** The body did not arrive in time: the only 4xx that another try may change. */
const bodyTimeoutStatus = 408;
/** Codes of a 503 that say: this try certainly did nothing. */
const certainlyNotTaken = new Set<unknown>([
  "overloaded",
  "backlog_full",
  "ledger_behind",
  "unarmed",
  "store_unavailable",
  "store_full",
  "body_timeout",
]);

/**
 * Sends `call` until it is decided or refused, at most `attemptsMax` times.
 *
 * @param read a value from a 2xx answer; throws when it is not what the server sends
 */
export async function send<Value>(
  call: Call,
  read: (answer: Answer) => Value,
  options: RetryOptions,
): Promise<CallResult<Value>> {
  const doubt = new Doubt();
  for (let attempt = 1;; attempt++) {
    const answer = await tryOnce(call, attempt, options);
    if (isRefusal(answer)) {
      return { kind: "refused", answer, afterUnknown: doubt.mayTakeEffect || isOfRetry(answer.headers) };
    }
    const value = isAnswer(answer) && answer.status < 300 ? readOrNull(answer, read) : null;
    if (value !== null) return { kind: "decided", value };
    doubt.add(answer);
    const waitMs = waitBefore(attempt, answer, options.random);
    if (attempt >= options.attemptsMax || waitMs === null) {
      return { kind: "unknown", deadline: doubt.deadline, cause: doubt.cause };
    }
    await options.sleep(waitMs);
  }
}

/** Whether a try got an answer. */
export function isAnswer(result: Try): result is Answer {
  return result.status !== 0;
}

/** Whether a try was refused, which is final. */
export function isRefusal(result: Try): result is Answer {
  return result.status >= 400 && result.status < 500 && result.status !== bodyTimeoutStatus;
}

/** What the tries without a decision left behind. */
export class Doubt {
  #unanswered = false;
  #latest = "";
  /** Some try may have taken effect, or still may. */
  mayTakeEffect = false;
  /** Why the last try got no decision. */
  cause: Cause = { kind: "no_answer", error: undefined };

  /** Adds a try that was neither decided nor refused. */
  add(result: Try): void {
    const body = isAnswer(result) ? result.body : {};
    if (!certainlyNotTaken.has(body.code)) this.mayTakeEffect = true;
    if (typeof body.deadline !== "string") this.#unanswered = true;
    // The server writes every moment with the same digits, in UTC: their order is that of the letters.
    else if (body.deadline > this.#latest) this.#latest = body.deadline;
    this.cause = causeOf(result);
  }

  /** Until when a try may still take effect; null = a try named no moment. */
  get deadline(): string | null {
    return this.#unanswered ? null : this.#latest;
  }
}

function causeOf(result: Try): Cause {
  if (!isAnswer(result)) return { kind: "no_answer", error: result.error };
  const text = (value: unknown) => typeof value === "string" ? value : "";
  const { status, body } = result;
  return { kind: "answer", status, code: text(body.code), detail: text(body.detail) };
}

/** A proxy had to send it twice: what became of the first time, it does not know either. */
function isOfRetry(headers: Headers): boolean {
  return headers.has("order-attempt");
}

/** One try. No answer in time, none at all and one that was cut are the same: nobody knows. */
export async function tryOnce(call: Call, attempt: number, options: RetryOptions): Promise<Try> {
  const late = new AbortController();
  const done = new AbortController();
  options.sleep(options.timeoutMs, done.signal).then(() => {
    if (!done.signal.aborted) late.abort(new Error(`No answer in ${options.timeoutMs} ms`));
  });
  try {
    const response = await options.fetch(call.url, {
      method: call.method,
      headers: attempt === 1 ? { ...call.headers, ...call.firstHeaders } : call.headers,
      body: call.body,
      signal: late.signal,
      // A redirect may turn a POST into a GET; an API has none.
      redirect: "error",
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: objectIn(text) };
  } catch (error) {
    return { status: 0, error };
  } finally {
    done.abort();
  }
}

function objectIn(text: string): Answer["body"] {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? json as Answer["body"] : {};
  } catch {
    return {};
  }
}

/** A success that cannot be read is as good as none: something in between spoke for the server. */
function readOrNull<Value>(answer: Answer, read: (answer: Answer) => Value): Value | null {
  try {
    return read(answer);
  } catch {
    return null;
  }
}

/**
 * How long to wait after a try, ms; null = longer than anybody waits. Full jitter: anything up to the bound, on
 * top of what the server asked for, as it asks all clients for the same second.
 */
export function waitBefore(attempt: number, result: Try, random: Random): number | null {
  const askedMs = (isAnswer(result) ? retryAfterMs(result.headers) : null) ?? 0;
  if (askedMs > retryAfterMaxMs) return null;
  return askedMs + random() * Math.min(backoffMaxMs, backoffFirstMs * 2 ** (attempt - 1));
}

/** The header `Retry-After` in ms; null = none, or a date, which this server never sends. */
export function retryAfterMs(headers: Headers): number | null {
  const value = headers.get("retry-after");
  return value !== null && /^\d{1,9}$/.test(value) ? 1000 * Number(value) : null;
}
