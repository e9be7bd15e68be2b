/**
 * Watches requests while somebody looks at the live page, before whoever else watches them.
 *
 * @module
 */
import type { Inventory } from "../../decide/service.ts";
import type { Passage } from "../../decide/command_timings.ts";
import type { Board } from "../../live/board.ts";
import type { World } from "../../runtime/world.ts";
import type { Connection } from "../ports/route.ts";
import type { Journey, RequestWatch } from "../ports/observer.ts";

/** Tells a board what was sold, and passes everything on. */
export class OpsWatch implements RequestWatch {
  readonly #board: Board;
  readonly #next: RequestWatch | null;
  readonly #inventory: Inventory;
  readonly #world: World;

  /** `next` is null when nobody else watches. */
  constructor(board: Board, next: RequestWatch | null, inventory: Inventory, world: World) {
    this.#board = board;
    this.#next = next;
    this.#inventory = inventory;
    this.#world = world;
  }

  begin(request: Request, connection: Connection, traceparent: string): OpsJourney {
    const next = this.#next?.begin(request, connection, traceparent);
    return new OpsJourney(next, traceparent, this.#world.elapsedMs());
  }

  end(journey: OpsJourney, status: number): void {
    if (journey.next !== undefined) this.#next?.end(journey.next, status);
    const { sales } = this.#board;
    if (journey.isSale) sales.answered(this.#world.elapsedMs() - journey.startMs);
    for (let i = 0; i < journey.turnedAway; i++) sales.turnedAway();
    for (const passage of journey.passages) {
      sales.sale(passage);
      this.#noteNumber(passage);
    }
  }

  /** All lines of a sale are of one shard. */
  #noteNumber({ command, outcome }: Passage): void {
    if (outcome?.kind !== "accepted" || !("lines" in command)) return;
    const sku = command.lines?.[0]?.sku;
    if (sku !== undefined) this.#board.books.saw(this.#inventory.shardOf(sku), outcome.seq);
  }
}

/** What is noted of one request, for the board and whoever is next. */
export class OpsJourney implements Journey {
  /** Every command that it led to. */
  readonly passages: Passage[] = [];
  /** Sales that came no further than fair play. */
  turnedAway = 0;
  /** Whether it wanted to buy. */
  isSale = false;
  #route = "";

  /** Begins at `startMs`; `next` is undefined when nobody else watches. */
  constructor(
    readonly next: Journey | undefined,
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

  note(passage: Passage): void {
    const { kind } = passage.command;
    this.isSale ||= kind === "deduct" || kind === "order" || kind === "reserve";
    this.passages.push(passage);
    this.next?.note(passage);
  }

  turnAway(code: string): void {
    this.isSale = true;
    this.turnedAway++;
    this.next?.turnAway(code);
  }
}
