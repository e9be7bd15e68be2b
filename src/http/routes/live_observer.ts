/**
 * Observes requests while the live page is open.
 *
 * @module
 */
import { isSale } from "../../domain/outcome.ts";
import type { CommandTimings } from "../../decide/command_timings.ts";
import type { Inventory } from "../../decide/service.ts";
import type { Board } from "../../live/board.ts";
import type { RequestObserver, RequestRecord } from "../ports/observer.ts";

/** Reports sales to a board. */
export class LiveObserver implements RequestObserver {
  readonly #board: Board;
  readonly #inventory: Inventory;

  /** `inventory` maps SKUs to shards. */
  constructor(board: Board, inventory: Inventory) {
    this.#board = board;
    this.#inventory = inventory;
  }

  end({ timings, turnedAway, startMs, endMs }: RequestRecord): void {
    const { sales } = this.#board;
    if (turnedAway.length > 0 || timings.some(({ command }) => isSale(command))) {
      sales.answered(endMs - startMs);
    }
    for (const _ of turnedAway) sales.turnedAway();
    for (const one of timings) {
      sales.sale(one);
      this.#noteNumber(one);
    }
  }

  /** All lines of a sale are of one shard. */
  #noteNumber({ command, outcome }: CommandTimings): void {
    if (outcome?.kind !== "accepted" || !("lines" in command)) return;
    const sku = command.lines?.[0]?.sku;
    if (sku !== undefined) this.#board.lag.saw(this.#inventory.shardOf(sku), outcome.seq);
  }
}
