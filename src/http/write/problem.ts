/**
 * Problem details (RFC 9457): the format of every refusal and error.
 *
 * @module
 */
import { type ProblemCode, problems } from "../schemas/problems.ts";
import type { FieldError } from "../schemas/schema.ts";
import type { Scope } from "../../runtime/settings/access.ts";
import { type Answer, securityHeaders } from "./response.ts";

/** Members and headers of one problem, in addition to the common ones. */
export interface Extras {
  /** Members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Header names are in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

const contentType = { "content-type": "application/problem+json" } as const;

/**
 * A problem as a response.
 *
 * `type` is a reference with an absolute path: it is the same on every host, and can become a page.
 *
 * @param detail a sentence about this occurrence, also sent as `message`
 */
export function problem(code: ProblemCode, detail: string, extras: Extras = {}): Answer {
  const { status, title } = problems[code];
  return {
    status,
    headers: extras.headers === undefined
      ? contentType
      : { ...contentType, ...securityHeaders, ...extras.headers },
    body: {
      type: `/problems/${code}`,
      title,
      status,
      detail,
      code,
      success: false,
      message: detail,
      ...extras.members,
    },
  };
}

/** The golden ratio: multiples of its fraction are spread evenly, however many are taken. */
const spreadStep = (Math.sqrt(5) - 1) / 2;
let spread = 0;

/**
 * A problem that may pass with time. Retry-After is in whole seconds, as HTTP requires.
 *
 * A 429 names the moment at which this client may ask again. A 503 is heard by all clients in the same moment, who would
 * all be back in the same second: successive responses ask for one to three times `retryAfterMs`.
 */
export function retryLater(
  code: ProblemCode,
  detail: string,
  retryAfterMs: number,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const leastS = Math.max(1, Math.ceil(retryAfterMs / 1000));
  const retryAfterS = problems[code].status === 503 ? leastS + spreadOver(2 * leastS) : leastS;
  return problem(code, detail, { members, headers: { "retry-after": String(retryAfterS), ...headers } });
}

/** 0 to `max`, evenly over successive calls. */
function spreadOver(max: number): number {
  spread = (spread + spreadStep) % 1;
  return Math.floor(spread * (max + 1));
}

/** The response to an invalid request, with all errors at once. */
export function invalidRequest(errors: readonly FieldError[]): Answer {
  const detail = errors.map((error) =>
    error.pointer === "" ? error.detail : `${error.pointer}: ${error.detail}`
  );
  return problem("invalid_request", detail.join("; "), { members: { errors } });
}

/** The response to a token without the required scope. */
export function forbidden(scope: Scope, detail: string): Answer {
  return problem("forbidden", detail, {
    members: { scope },
    headers: { "www-authenticate": `Bearer realm="holdfast", error="insufficient_scope", scope="${scope}"` },
  });
}
