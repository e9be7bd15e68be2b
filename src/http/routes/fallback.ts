/**
 * Answers where no route has one: wrong path, wrong method, broken code.
 *
 * @module
 */
import { problem } from "../write/problem.ts";
import { respond } from "../write/response.ts";

/** 405 where the path has routes for other methods, 404 where it has none. */
export function unrouted(allowed: readonly string[]): Response {
  if (allowed.length === 0) return respond(problem("not_found", "There is nothing at this path"));
  const allow = (allowed.includes("GET") ? [...allowed, "HEAD"] : allowed).join(", ");
  return respond(problem("method_not_allowed", `This path allows ${allow}`, { headers: { allow } }));
}

/** 500 without a word about the cause: that is for the operator. */
export function internalError(): Response {
  return respond(problem("internal_error", "The request failed; the cause is in the server's log"));
}
