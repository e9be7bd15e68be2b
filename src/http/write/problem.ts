/**
 * Problem details (RFC 9457): the one shape of every refusal and error.
 *
 * @module
 */
import type { Scope } from "../../runtime/settings/access.ts";
import { type Answer, securityHeaders } from "./response.ts";

/** Every code a client can meet, with its status and its title. A code never changes its meaning. */
export const problems = {
  invalid_request: [400, "The request is not valid"],
  invalid_host: [400, "The Host header is not valid"],
  unauthorized: [401, "A valid token is needed"],
  forbidden: [403, "The token does not allow this"],
  blocked: [403, "This buyer may not buy"],
  purchase_token_required: [403, "The SKU is sold with a purchase token only"],
  purchase_token_invalid: [403, "The purchase token is not valid"],
  not_found: [404, "There is nothing at this path"],
  unknown_order: [404, "The order is not known"],
  unknown_reservation: [404, "The reservation is not known"],
  unknown_sku: [404, "The SKU is not known"],
  cross_site_request: [403, "A page of another site may not call this"],
  method_not_allowed: [405, "The method is not allowed at this path"],
  body_timeout: [408, "The body did not arrive in time"],
  insufficient_stock: [409, "There is not enough stock"],
  sku_paused: [409, "The SKU is paused"],
  not_open: [409, "The sale is not open yet"],
  sale_closed: [409, "The sale is over"],
  quota_exceeded: [409, "The user has bought as many as one may"],
  stock_limit: [409, "The stock would exceed what a SKU can hold"],
  stale: [409, "The stock or its rules are not what was expected"],
  already_confirmed: [409, "The reservation was confirmed before"],
  already_cancelled: [409, "The reservation was cancelled before"],
  reservation_expired: [409, "The reservation has expired"],
  confirm_exceeds_held: [409, "More than the reservation holds"],
  return_exceeds_sold: [409, "More than was sold"],
  purchase_tokens_off: [409, "Purchase tokens are not set up"],
  body_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The media type is not supported"],
  order_conflict: [422, "The order id was used with other contents"],
  adjustment_conflict: [422, "The adjustment id was used with other contents"],
  return_conflict: [422, "The return id was used with other contents"],
  cross_shard_basket: [422, "The SKUs do not live in one shard"],
  order_too_large: [422, "The order has too many lines"],
  rate_limited: [429, "The user bought this SKU a moment ago"],
  too_many_requests: [429, "This buyer asks too often"],
  internal_error: [500, "Something is broken in the server"],
  overloaded: [503, "The server is overloaded"],
  too_many_streams: [503, "No other stream can be opened now"],
  backlog_full: [503, "Too many sales wait to be booked"],
  ledger_behind: [503, "The ledger is behind"],
  unarmed: [503, "The stock is being verified"],
  store_unavailable: [503, "The store cannot be reached"],
  store_full: [503, "The store has no memory left"],
  outcome_unknown: [503, "It is not known whether the request took effect"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

/** A stable, machine-readable name of a problem. */
export type ProblemCode = keyof typeof problems;

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
  const [status, title] = problems[code];
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

/** One thing that is wrong with a request. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the member as the client spelled it. */
  readonly pointer: string;
  /** The rule that it breaks. */
  readonly detail: string;
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
