/**
 * The two kinds of routes that change something: sales, and all other commands.
 *
 * @module
 */
import { answerTo, type Change } from "../write/answer.ts";
import { clientAddress } from "../guard/client_address.ts";
import { ask } from "../ports/observer.ts";
import type { Connection, Route } from "../ports/route.ts";
import type { Wanted } from "../read/parse.ts";
import { type Answer, respond } from "../write/response.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type Expected, receive, type Received } from "./receive.ts";
import { attemptOf, sell } from "./sell.ts";

/** A route whose body is a sale. */
export function saleRoute(dependencies: RouteDependencies, expected: Expected<Wanted>): Route {
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, expected);
    if (received.kind === "refused") return respond(received.answer);
    const { body, origin } = received.value;
    const attempt = attemptOf(dependencies, request, connection, origin);
    return respond(await sell(dependencies, body, attempt));
  };
}

/** A route that makes one command of a request. Commands on an order pass the rate limit first. */
export function commandRoute<Body>(
  dependencies: RouteDependencies,
  expected: Expected<Body>,
  toCommand: (received: Received<Body>) => Change,
): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, expected);
    if (received.kind === "refused") return respond(received.answer);
    const command = toCommand(received.value);
    if ("orderId" in command) {
      const refused = refusedFollowUp(dependencies, request, connection, command.orderId);
      if (refused) return respond(refused);
    }
    const outcome = await ask(inventory, command, connection.requestRecord);
    return respond(answerTo(command, outcome, { nowMs: world.now(), token: "none" }));
  };
}

/** Counts a command against the rate limit. Returns the refusal, or null when the command may continue. */
export function refusedFollowUp(
  { fairPlay, trustedProxies }: RouteDependencies,
  { headers }: Request,
  connection: Connection,
  orderId: string,
): Answer | null {
  if (fairPlay === null) return null;
  const verdict = fairPlay.judgeFollowUp(orderId, clientAddress(headers, connection, trustedProxies));
  if (verdict.kind !== "refused") return null;
  connection.requestRecord?.turnAway(String(verdict.answer.body.code));
  return verdict.answer;
}
