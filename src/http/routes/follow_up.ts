/**
 * What every command passes that follows on an order: the rate limit.
 *
 * @module
 */
import { type Connection } from "../ports/route.ts";
import { clientAddress } from "../guard/client_address.ts";
import type { RouteDependencies } from "./dependencies.ts";
import type { Answer } from "../write/response.ts";

/** Counts a command against the rate limit. Returns the refusal, or null when the command may go on. */
export function refusedFollowUp(
  { fairPlay, trustedProxies }: RouteDependencies,
  { headers }: Request,
  connection: Connection,
  orderId: string,
): Answer | null {
  if (fairPlay === null) return null;
  const turn = fairPlay.judgeFollowUp(orderId, clientAddress(headers, connection, trustedProxies));
  if (turn.kind !== "refused") return null;
  connection.requestRecord?.turnAway(String(turn.answer.body.code));
  return turn.answer;
}
