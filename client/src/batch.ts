/**
 * Up to 1000 deducts in one request. Undecided items are sent again, without the decided ones.
 *
 * @module
 */
import type { BatchDecided, BatchItem, DeductAccepted, Refused } from "./outcome.ts";
import { readBatchItems, readDeduct, readRefused } from "./read.ts";
import {
  type Answer,
  type Call,
  Doubt,
  isAnswer,
  isRefusal,
  type RetryOptions,
  type Try,
  tryOnce,
  waitBefore,
} from "./retry.ts";

/** Items of an unfinished batch: their index in the request, and their attempts. */
interface Pending {
  readonly index: number;
  readonly orderId: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly doubt: Doubt;
}

/** A batch to send. */
export interface Batch {
  /** The request without its body. */
  readonly call: Omit<Call, "body">;
  /** One deduct each, in the server's spelling. */
  readonly items: readonly { readonly orderId: string; readonly body: Readonly<Record<string, unknown>> }[];
}

/** Sends a batch until each item is decided or refused, at most `attemptsMax` times. */
export async function sendBatch(batch: Batch, options: RetryOptions): Promise<BatchDecided | Refused> {
  const outcomes: BatchItem[] = [];
  let pending: Pending[] = batch.items.map((item, index) => ({ ...item, index, doubt: new Doubt() }));
  for (let attempt = 1; pending.length > 0; attempt++) {
    const call: Call = { ...batch.call, body: JSON.stringify({ items: pending.map(({ body }) => body) }) };
    const answer = await tryOnce(call, attempt, options);
    if (isRefusal(answer)) return readRefused(answer, pending.some(({ doubt }) => doubt.mayTakeEffect));
    const results = itemsOf(answer, pending.length);
    const open: Pending[] = [];
    for (const [i, item] of pending.entries()) {
      const result = results?.[i] ?? answer;
      const outcome = results === undefined ? undefined : decided(results[i], item.doubt);
      if (outcome !== undefined) {
        outcomes[item.index] = outcome;
        continue;
      }
      item.doubt.add(result);
      open.push(item);
    }
    pending = open;
    const waitMs = longestWait(attempt, results ?? [answer], options);
    if (pending.length > 0 && (attempt >= options.attemptsMax || waitMs === null)) break;
    if (pending.length > 0) await options.sleep(waitMs ?? 0);
  }
  for (const { index, orderId, doubt } of pending) {
    outcomes[index] = { kind: "unknown", orderId, deadline: doubt.deadline, cause: doubt.cause };
  }
  return { kind: "batch", items: outcomes };
}

/** The items of a 2xx response; undefined for a response that the server does not send. */
function itemsOf(answer: Try, count: number): Answer[] | undefined {
  if (!isAnswer(answer) || answer.status >= 300) return undefined;
  try {
    const items = readBatchItems(answer);
    return items.length === count ? items : undefined;
  } catch {
    return undefined;
  }
}

function decided(item: Answer | undefined, doubt: Doubt): DeductAccepted | Refused | undefined {
  if (item === undefined) return undefined;
  const { status } = item;
  if (status >= 400 && status < 500) return readRefused(item, doubt.mayTakeEffect);
  if (status >= 300) return undefined;
  try {
    return readDeduct(item);
  } catch {
    return undefined;
  }
}

/** The longest wait that an undecided item requests. */
function longestWait(attempt: number, results: readonly Try[], { random }: RetryOptions): number | null {
  let longest = 0;
  for (const result of results) {
    if (isAnswer(result) && result.status < 500) continue;
    const waitMs = waitBefore(attempt, result, random);
    if (waitMs === null) return null;
    longest = Math.max(longest, waitMs);
  }
  return longest;
}
