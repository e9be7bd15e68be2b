/**
 * A service in the test's process whose commands are recorded as requests of the API, for the history checker.
 *
 * @module
 */
import type { InventoryService } from "../../src/decide/service.ts";
import type { Line } from "../../src/domain/command.ts";
import { answerTo, type Change } from "../../src/http/write/answer.ts";
import type { ApiRequest } from "../system/operations.ts";
import type { HistoryRecorder } from "../system/recorder.ts";
import { withMembers } from "./embedded_parts.ts";

/** Records what is submitted: baskets, returns and adjustments. */
export function recorded(service: InventoryService, history: HistoryRecorder): InventoryService {
  const submit = async (command: Change) => {
    const { outcome } = await history.send(requestOf(command), async () => {
      const outcome = await service.submit(command);
      const { status, headers, body } = answerTo(command, outcome, { nowMs: Date.now(), token: "none" });
      return { status, replayed: headers["idempotency-replayed"] === "true", body, outcome };
    });
    return outcome;
  };
  return withMembers(service, { submit: submit as InventoryService["submit"] });
}

function requestOf(command: Change): ApiRequest {
  switch (command.kind) {
    case "order": {
      const { orderId: order_id, userId: user_id, lines } = command;
      return post("orders", { order_id, user_id, lines: linesOf(lines) });
    }
    case "return": {
      const { orderId, returnId: return_id, lines } = command;
      return post(`orders/${encodeURIComponent(orderId)}/return`, { return_id, lines: linesOf(lines) });
    }
    case "adjust": {
      const { sku, adjustmentId: adjustment_id, delta } = command;
      return post(`inventory/${encodeURIComponent(sku)}/adjustments`, { adjustment_id, delta });
    }
    default:
      throw new TypeError(`Cannot record a '${command.kind}' of a service: add its request`);
  }
}

function post(path: string, body: unknown): ApiRequest {
  return { method: "POST", path: `/api/v1/${path}`, body };
}

function linesOf(lines: readonly Line[]) {
  return lines.map(({ sku, amount }) => ({ sku, amount }));
}
