/**
 * One request, sent until it is decided. Every attempt has the same bytes, and the server lets the same order id take
 * effect once, so a repetition is safe whatever happened to the previous attempt.
 *
 * @module
 */
import type { Random, Sleep } from "./defaults.ts";
import type { Cause } from "./outcome.ts";

/** A request, the same on every attempt. */
export interface Call {
  /** HTTP method. */
  readonly method: "GET" | "POST" | "PUT";
  /** The full URL. */
  readonly url: string;
  /** Headers of every attempt. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the first attempt only. */
  readonly firstHeaders: Readonly<Record<string, string>>;
  /** JSON; null = no body. */
  readonly body: string | null;
}

/** A complete response. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** Headers. */
  readonly headers: Headers;
  /** The JSON object in the body; empty for other bodies. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Limits of a call, and its dependencies. */
export interface RetryOptions {
  /** Sends one request. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Waits between attempts, and limits their time. */
  readonly sleep: Sleep;
  /** Spreads the waits. */
  readonly random: Random;
  /** Maximum of attempts. */
  readonly attemptsMax: number;
  /** Time limit of one attempt, ms. */
  readonly timeoutMs: number;
}

/** The result of a call. */
export type CallResult<Value> =
  | { readonly kind: "decided"; readonly value: Value }
  | { readonly kind: "refused"; readonly answer: Answer; readonly afterUnknown: boolean }
  | { readonly kind: "unknown"; readonly deadline: string | null; readonly cause: Cause };

/** One attempt: a complete response, or why there is none. */
export type Try = Answer | { readonly status: 0; readonly error: unknown };

/** The first wait is 0..100 ms, longer than a queue of the server takes to empty. */
const backoffFirstMs = 100;
/** The maximum of the backoff: a worker takes over a shard within 5 s. */
const backoffMaxMs = 5000;
/** The longest wait in a call: after a longer Retry-After there is no further attempt. */
const retryAfterMaxMs = 30_000;

/** The body did not arrive in time: the only 4xx that another attempt may change. */
const bodyTimeoutStatus = 408;
/** Codes of a 503 that exclude any effect. */
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
 * @param read converts a 2xx response; throws when it is not one of the server
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

/** Whether an attempt got a response. */
export function isAnswer(result: Try): result is Answer {
  return result.status !== 0;
}

/** Whether an attempt was refused, which is final. */
export function isRefusal(result: Try): result is Answer {
  return result.status >= 400 && result.status < 500 && result.status !== bodyTimeoutStatus;
}

/** The possible effects of attempts without a decision. */
export class Doubt {
  #unanswered = false;
  #latest = "";
  /** Whether an attempt may have taken effect, or still may. */
  mayTakeEffect = false;
  /** Why the last attempt got no decision. */
  cause: Cause = { kind: "no_answer", error: undefined };

  /** Adds an attempt that was neither decided nor refused. */
  add(result: Try): void {
    const body = isAnswer(result) ? result.body : {};
    if (!certainlyNotTaken.has(body.code)) this.mayTakeEffect = true;
    if (typeof body.deadline !== "string") this.#unanswered = true;
    // The server writes all times in UTC with the same digits, so they sort as text.
    else if (body.deadline > this.#latest) this.#latest = body.deadline;
    this.cause = causeOf(result);
  }

  /** Until when an attempt may still take effect; null = unknown for an attempt. */
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

/** A proxy had to send it twice, and does not know the effect of the first time. */
function isOfRetry(headers: Headers): boolean {
  return headers.has("order-attempt");
}

/** One attempt. A timeout, a missing and an incomplete response are the same: the outcome is unknown. */
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
      // A redirect may turn a POST into a GET; the API never redirects.
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

/** A success that cannot be read counts as no response: an intermediary responded for the server. */
function readOrNull<Value>(answer: Answer, read: (answer: Answer) => Value): Value | null {
  try {
    return read(answer);
  } catch {
    return null;
  }
}

/**
 * The wait after an attempt, ms; null = longer than the maximum. Full jitter is added to the wait that the server
 * requested, because it requests the same one from all clients.
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
