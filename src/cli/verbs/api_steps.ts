/**
 * The steps of an import as requests to a running API. This is the way into the embedded default, whose folder belongs
 * to its process.
 *
 * @module
 */
import { isObject } from "../../http/schemas/containers.ts";
import type { SaleRules } from "../../domain/command.ts";
import { sleep, type World } from "../../runtime/world.ts";
import { Failure } from "../context/failure.ts";
import { rulesChanged, type Step, type StepResult, type Submit } from "./stock_steps.ts";
import { type Asked, skuPath } from "../context/api_request.ts";

/** Concurrent requests: the API decides them in one batch. */
const requestsMax = 64;
/** A failover takes seconds; after this time an operator must act. */
const patienceMs = 60_000;
const retryMs = 200;
const retryMaxMs = 10_000;

/** Sends each step until it is answered: all of them are repeatable. */
export function submitThere(
  world: World,
  ask: (asked: Asked) => Promise<Response>,
  reason: string,
): Submit {
  return async (steps) => {
    const results: StepResult[] = new Array(steps.length);
    const open = steps.entries();
    const send = async () => {
      for (const [i, step] of open) results[i] = await answered(world, ask, requestOf(step, reason));
    };
    await Promise.all(Array.from({ length: requestsMax }, send));
    return results;
  };
}

async function answered(
  world: World,
  ask: (asked: Asked) => Promise<Response>,
  asked: Asked,
): Promise<StepResult> {
  const giveUpMs = world.elapsedMs() + patienceMs;
  for (;;) {
    const answer = await ask(asked).then(readAnswer, (error) => {
      if (error instanceof Failure && error.code === "failed" && world.elapsedMs() < giveUpMs) return error;
      throw error;
    });
    if (!(answer instanceof Failure)) {
      const { status, body } = answer;
      if (status === 401 || status === 403) {
        throw new Failure(`Cannot import through this API as it refuses the token: ${body.detail ?? status}`);
      }
      if (status < 500 && status !== 429) return resultOf(asked, answer);
      if (world.elapsedMs() > giveUpMs) {
        throw new Failure(
          `Cannot continue as the API responds with ${status}: ${body.detail ?? body.code ?? ""}`,
        );
      }
    }
    const waitMs = answer instanceof Failure ? retryMs : answer.retryMs;
    await sleep(world, waitMs);
  }
}

interface ReadAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly replayed: boolean;
  /** Time until the next attempt. */
  readonly retryMs: number;
}

async function readAnswer(response: Response): Promise<ReadAnswer> {
  const body: unknown = await response.json().catch(() => undefined);
  if (!isObject(body) && response.status < 500) {
    throw new Failure(
      `Cannot read the response ${response.status} as it is not JSON: is --api Holdfast?`,
      "usage",
    );
  }
  const seconds = Number(response.headers.get("retry-after"));
  return {
    status: response.status,
    body: isObject(body) ? body : {},
    replayed: response.headers.get("idempotency-replayed") === "true",
    retryMs: Math.min(Math.max(retryMs, seconds * 1000 || 0), retryMaxMs),
  };
}

function requestOf(step: Step, reason: string): Asked {
  const { sku } = step;
  switch (step.kind) {
    case "create": {
      const body = {
        adjustment_id: step.id,
        available: step.available,
        expected: null,
        reason,
        reference: "",
      };
      return { method: "PUT", path: skuPath(sku), body };
    }
    case "adjust": {
      const body = { adjustment_id: step.id, delta: step.delta, reason, reference: "" };
      return { method: "POST", path: skuPath(sku, "/adjustments"), body };
    }
    case "rules":
      return { method: "PUT", path: skuPath(sku, "/rules"), body: rulesBody(step.rules, step.expected) };
    case "read":
      return { method: "GET", path: skuPath(sku) };
  }
}

function rulesBody(
  { opensAtMs, closesAtMs, quota, tokenRequired }: SaleRules,
  expected: number,
): Record<string, unknown> {
  const instant = (ms: number | null) => ms === null ? null : new Date(ms).toISOString();
  return {
    opens_at: instant(opensAtMs),
    closes_at: instant(closesAtMs),
    quota,
    purchase_token: tokenRequired,
    expected,
  };
}

function resultOf({ method }: Asked, { status, body, replayed }: ReadAnswer): StepResult {
  if (status >= 400) {
    if (body.code === "unknown_sku") return { kind: "unknown" };
    if (body.code === "stale" && body.rules_version !== undefined) {
      return { kind: "refused", why: rulesChanged };
    }
    const why = body.code === "stale" ? `exists already, with ${body.available} available` : undefined;
    return { kind: "refused", why: why ?? `was refused: ${body.code ?? status}: ${body.detail ?? ""}` };
  }
  if (method !== "GET") return { kind: "done", created: status === 201, replayed };
  const { opens_at, closes_at, quota, purchase_token, rules_version } = body;
  const hasRules = [opens_at, closes_at, quota].some((rule) => rule !== null) || purchase_token === true;
  return { kind: "stock", available: Number(body.available), hasRules, rulesVersion: Number(rules_version) };
}
