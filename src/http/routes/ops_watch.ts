/**
 * Watches requests while somebody looks at the live page, before whoever else watches them.
 *
 * @module
 */
import type { Inventory } from "../../decide/service.ts";
import type { CommandTimings } from "../../decide/command_timings.ts";
import type { Board } from "../../live/board.ts";
import type { World } from "../../runtime/world.ts";
import type { Connection } from "../ports/route.ts";
import type { RequestObserver, RequestRecord } from "../ports/observer.ts";

/** Tells a board what was sold, and passes everything on. */
export class LiveObserver implements RequestObserver {
  readonly #board: Board;
  readonly #next: RequestObserver | null;
  readonly #inventory: Inventory;
  readonly #world: World;

  /** `next` is null when nobody else watches. */
  constructor(board: Board, next: RequestObserver | null, inventory: Inventory, world: World) {
    this.#board = board;
    this.#next = next;
    this.#inventory = inventory;
    this.#world = world;
  }

  begin(request: Request, connection: Connection, traceparent: string): LiveRequest {
    const next = this.#next?.begin(request, connection, traceparent);
    return new LiveRequest(next, traceparent, this.#world.elapsedMs());
  }

  end(requestRecord: LiveRequest, status: number): void {
    if (requestRecord.next !== undefined) this.#next?.end(requestRecord.next, status);
    const { sales } = this.#board;
    if (requestRecord.isSale) sales.answered(this.#world.elapsedMs() - requestRecord.startMs);
    for (let i = 0; i < requestRecord.turnedAway; i++) sales.turnedAway();
    for (const timings of requestRecord.timingsOfAll) {
      sales.sale(timings);
      this.#noteNumber(timings);
    }
  }

  /** All lines of a sale are of one shard. */
  #noteNumber({ command, outcome }: CommandTimings): void {
    if (outcome?.kind !== "accepted" || !("lines" in command)) return;
    const sku = command.lines?.[0]?.sku;
    if (sku !== undefined) this.#board.books.saw(this.#inventory.shardOf(sku), outcome.seq);
  }
}

/** What is noted of one request, for the board and whoever is next. */
export class LiveRequest implements RequestRecord {
  /** Every command that it led to. */
  readonly timingsOfAll: CommandTimings[] = [];
  /** Sales that came no further than fair play. */
  turnedAway = 0;
  /** Whether it wanted to buy. */
  isSale = false;
  #route = "";

  /** Begins at `startMs`; `next` is undefined when nobody else watches. */
  constructor(
    readonly next: RequestRecord | undefined,
    readonly callersTraceparent: string,
    readonly startMs: number,
  ) {}

  get traceparent(): string {
    return this.next?.traceparent ?? this.callersTraceparent;
  }

  get route(): string {
    return this.#route;
  }

  set route(route: string) {
    this.#route = route;
    if (this.next !== undefined) this.next.route = route;
  }

  note(timings: CommandTimings): void {
    const { kind } = timings.command;
    this.isSale ||= kind === "deduct" || kind === "order" || kind === "reserve";
    this.timingsOfAll.push(timings);
    this.next?.note(timings);
  }

  turnAway(code: string): void {
    this.isSale = true;
    this.turnedAway++;
    this.next?.turnAway(code);
  }
}
