/**
 * `POST /api/v1/purchase-tokens`: where a waiting room gets what it hands out.
 *
 * @module
 */
import type { Edge, Route } from "./edge.ts";
import { isObject, Members, type Spellings } from "./members.ts";
import { notAnObject } from "./parse.ts";
import { problem } from "./problem.ts";
import { tokenTtlMaxS } from "./purchase_tokens.ts";
import { noId, receive } from "./receive.ts";
import { instant } from "./refusal.ts";
import { type Answer, type Checked, freshJsonHeaders, respond } from "./response.ts";

/** The answer to whoever relies on purchase tokens where there are none. */
export const tokensOff: Answer = problem(
  "purchase_tokens_off",
  "This server has no key for purchase tokens: the setting PURCHASE_TOKEN_KEY",
);

/** Contents of a request for a token. */
interface TokenBody {
  readonly orderId: string;
  readonly userId: string;
  /** How long it lasts, seconds. */
  readonly ttlS: number;
}

const tokenSpellings: Spellings<"order_id" | "user_id" | "ttl_seconds"> = {
  order_id: ["order_id"],
  user_id: ["user_id"],
  ttl_seconds: ["ttl_seconds"],
};

const tokenRequest = { scope: "admin", id: noId, body: parseToken } as const;

/** Issues a token for one order of one user. */
export function issuePurchaseToken(edge: Edge): Route {
  const { purchaseTokens } = edge;
  return async (request, connection) => {
    const received = await receive(edge, request, connection, tokenRequest);
    if (received.kind === "refused") return respond(received.answer);
    if (purchaseTokens === null) return respond(tokensOff);
    const { orderId, userId, ttlS } = received.value.body;
    const { token, expiresAtMs } = purchaseTokens.issue(orderId, userId, ttlS);
    return respond({
      status: 200,
      headers: freshJsonHeaders,
      body: {
        success: true,
        purchase_token: token,
        order_id: orderId,
        user_id: userId,
        expires_at: instant(expiresAtMs),
        message: "success",
      },
    });
  };
}

function parseToken(body: unknown): Checked<TokenBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, tokenSpellings);
  return members.check({
    orderId: members.id("order_id"),
    userId: members.id("user_id"),
    ttlS: members.optionalInteger("ttl_seconds", 1, tokenTtlMaxS, tokenTtlMaxS),
  });
}
