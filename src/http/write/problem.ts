/**
 * Problem details (RFC 9457): the one shape of every refusal and error.
 *
 * @module
 */
import { type ProblemCode, problems } from "../schemas/problems.ts";
import type { FieldError } from "../schemas/schema.ts";
import type { Scope } from "../../runtime/settings/access.ts";
import { type Answer, securityHeaders } from "./response.ts";

/** Members and headers of one problem beyond those that every problem has. */
export interface Extras {
  /** Members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Headers, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

const contentType = { "content-type": "application/problem+json" } as const;

/**
 * A problem as an answer.
 *
 * `type` is a reference with a full path: the same on every host, and free to lead to a page one day.
 *
 * @param detail a sentence for people about this occurrence; also given as `message`
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

/** A problem that time may solve: says when to try again, in whole seconds as HTTP wants them. */
export function retryLater(
  code: ProblemCode,
  detail: string,
  retryAfterMs: number,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return problem(code, detail, { members, headers: { "retry-after": String(retryAfterS), ...headers } });
}

/** The answer to a request that breaks the rules: all of them at once. */
export function invalidRequest(errors: readonly FieldError[]): Answer {
  const detail = errors.map((error) =>
    error.pointer === "" ? error.detail : `${error.pointer}: ${error.detail}`
  );
  return problem("invalid_request", detail.join("; "), { members: { errors } });
}

/** The answer to a token without the scope that the request takes. */
export function forbidden(scope: Scope, detail: string): Answer {
  return problem("forbidden", detail, {
    members: { scope },
    headers: { "www-authenticate": `Bearer realm="holdfast", error="insufficient_scope", scope="${scope}"` },
  });
}
