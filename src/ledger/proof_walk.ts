/**
 * Follows the movements of a shard in order: numbers, stock, rules, holds and compensations.
 *
 * Memory use grows with SKUs, open reservations and compensations, about 200 bytes each, but not with movements.
 *
 * @module
 */
import { isCompensationId } from "./compensation_id.ts";
import { asideLine } from "./movements.ts";
import type { Openings } from "./openings.ts";

/** A fault in the ledger. */
export interface Fault {
  /** The part of the proof that found it. */
  readonly check: "numbers" | "figures" | "stock" | "rules" | "order lines" | "holds" | "compensations";
  /** Number of the event; 0 without one. */
  readonly seq: number;
  /** SKU, or order id and SKU; may be empty. */
  readonly subject: string;
  /** The fault, with both values where there are two. */
  readonly wrong: string;
}

/** A row of the statement `verify_movements`. */
export interface ProvenMovement {
  /**
   * Number of its event. `log_jumps` has the number of a recalled event; a correction has the last number applied
   * before it.
   */
  readonly seq: number;
  /** Its index in the event, from 0; from 1000 for a correction and for a recalled event. */
  readonly line: number;
  /** The epoch of its number. */
  readonly epoch: number;
  /** As in `InventoryEvent`, or `correction`. */
  readonly kind: string;
  /** The SKU. */
  readonly sku: string;
  /** Change of available units. */
  readonly delta: number;
  /** Change of reserved units. */
  readonly reservedDelta: number;
  /** Available units afterwards. */
  readonly available: number;
  /** Reserved units afterwards. */
  readonly reserved: number;
  /** Order id, or adjustment id; null for kinds that a proof does not follow. */
  readonly orderId: string | null;
  /** When the hold expires, ms since 1970; null for kinds other than `reserve` and `extend`. */
  readonly expires: number | null;
  /** Rules as JSON; null for a movement that does not change them. */
  readonly policy: string | null;
}

/** A SKU as the sum of its movements. */
export interface ProvenStock {
  /** Available units. */
  available: number;
  /** Reserved units. */
  reserved: number;
  /** Its rules as canonical JSON; empty without rules; undefined when a dead letter may have changed them. */
  policy: string | undefined;
}

/** An open reservation or a prepared line of a SKU as its movements make it. */
export interface ProvenHold {
  /** Number of the event that reserved or prepared. */
  readonly seq: number;
  /** Units held. */
  readonly units: number;
  /** When it expires, ms since 1970; 0 for a prepared line. */
  expires: number;
  /** One of its events is a dead letter, so its order line may differ. */
  isDead: boolean;
}

/** Follows the movements of one shard from the first. */
export class ProofWalk {
  /** By SKU. */
  readonly stock = new Map<string, ProvenStock>();
  /** By {@link holdKey}. */
  readonly holds = new Map<string, ProvenHold>();
  /** How often the units of a compensation were returned, by id of the adjustment and SKU. */
  readonly givenBack = new Map<string, number>();
  /** Movements read. */
  movements = 0;
  /** The last movement read, or the end of the opening balances. */
  last = { seq: 0, line: -1 };
  /** Last number of an event, of a jump or in opening balances. */
  #at = 0;
  #line = -1;
  #epoch = 0;
  readonly #jumps: Map<number, number>;
  readonly #dead: ReadonlySet<number>;

  /**
   * Begins before the first movement.
   *
   * @param jumps first to last number of each jump: see `log_jumps`
   * @param dead numbers of dead letters
   * @param openings of all SKUs; the walk begins behind them
   */
  constructor(
    jumps: ReadonlyMap<number, number>,
    dead: ReadonlySet<number>,
    { seq, balances }: Openings = { seq: -1, balances: [] },
  ) {
    this.#dead = dead;
    for (const { sku, available, reserved, policy } of balances) {
      this.stock.set(sku, { available, reserved, policy: canonical(policy) });
    }
    if (seq < 0) {
      this.#jumps = new Map(jumps);
      return;
    }
    this.#at = seq;
    this.last = { seq, line: 2 ** 31 - 1 };
    // A jump may lead out of the opening balances.
    this.#jumps = new Map(
      [...jumps].filter(([, to]) => to > seq).map(([from, to]) => [Math.max(from, seq), to]),
    );
  }

  /** Follows further movements. */
  *read(movements: readonly ProvenMovement[]): Generator<Fault> {
    for (const movement of movements) {
      this.movements++;
      this.last = { seq: movement.seq, line: movement.line };
      if (movement.line < asideLine) yield* this.#number(movement);
      yield* this.#quantities(movement);
      this.#follow(movement);
    }
  }

  /** Returns the faults at the end, at the cursor. */
  *end(cursorSeq: number): Generator<Fault> {
    this.#jump(cursorSeq);
    if (this.#at !== cursorSeq) {
      yield numberFault(this.#at, `the movements end at ${this.#at}, the cursor is at ${cursorSeq}`);
    }
    for (const [from, to] of this.#jumps) {
      if (from < cursorSeq) {
        yield numberFault(from, `log_jumps says that ${from + 1} to ${to} are lost, but they are present`);
      }
    }
  }

  /** Follows jumps that begin here and end at or before `last`. */
  #jump(last: number): void {
    for (let to = this.#jumps.get(this.#at); to !== undefined && to <= last; to = this.#jumps.get(this.#at)) {
      this.#jumps.delete(this.#at);
      this.#at = to;
    }
  }

  *#number({ seq, line, epoch }: ProvenMovement): Generator<Fault> {
    if (seq !== this.#at) {
      this.#jump(seq - 1);
      if (seq !== this.#at + 1) {
        yield numberFault(
          seq,
          `numbers ${this.#at + 1} to ${seq - 1} are missing and not in log_jumps`,
        );
      }
      this.#at = seq;
      this.#line = -1;
    }
    if (line !== this.#line + 1) yield numberFault(seq, `lines ${this.#line + 1} to ${line - 1} are missing`);
    if (epoch < this.#epoch) yield numberFault(seq, `epoch ${epoch} follows ${this.#epoch}`);
    this.#line = line;
    this.#epoch = epoch;
  }

  *#quantities({ seq, sku, delta, reservedDelta, available, reserved }: ProvenMovement): Generator<Fault> {
    const stock = this.#stockOf(sku);
    stock.available += delta;
    stock.reserved += reservedDelta;
    if (stock.available !== available || stock.reserved !== reserved) {
      const wrong =
        `${available}+${reserved} is the stated stock, the sum is ${stock.available}+${stock.reserved}`;
      yield { check: "figures", seq, subject: sku, wrong };
      // Each fault is reported once, so the next movement is checked on its own. The stock is compared with the sums
      // in any case.
      this.#offsets.set(sku, {
        available: (this.#offsets.get(sku)?.available ?? 0) + stock.available - available,
        reserved: (this.#offsets.get(sku)?.reserved ?? 0) + stock.reserved - reserved,
      });
      stock.available = available;
      stock.reserved = reserved;
    }
  }

  readonly #offsets = new Map<string, { available: number; reserved: number }>();

  /** The sum of a SKU's movements, independent of the value that they state. */
  sumOf(sku: string): { available: number; reserved: number } {
    const { available, reserved } = this.stock.get(sku) ?? { available: 0, reserved: 0 };
    const offset = this.#offsets.get(sku);
    return { available: available + (offset?.available ?? 0), reserved: reserved + (offset?.reserved ?? 0) };
  }

  #stockOf(sku: string): ProvenStock {
    const known = this.stock.get(sku);
    if (known) return known;
    const made = { available: 0, reserved: 0, policy: "" };
    this.stock.set(sku, made);
    return made;
  }

  /** A dead letter may have had an effect in addition to its movement; its order lines and rules are not compared. */
  #follow(movement: ProvenMovement): void {
    const { kind, seq, sku, reservedDelta, policy, expires } = movement;
    const orderId = movement.orderId ?? "";
    const isDead = this.#dead.has(seq);
    if (policy !== null) this.#stockOf(sku).policy = isDead ? undefined : canonical(policy);
    switch (kind) {
      case "reserve":
        this.holds.set(holdKey(orderId, sku), { seq, units: reservedDelta, expires: expires ?? 0, isDead });
        break;
      case "extend": {
        const hold = this.holds.get(holdKey(orderId, sku));
        if (!hold) break;
        hold.expires = Math.max(hold.expires, expires ?? 0);
        hold.isDead ||= isDead;
        break;
      }
      case "prepare":
        this.holds.set(holdKey(orderId, sku), { seq, units: reservedDelta, expires: 0, isDead });
        break;
      case "confirm":
      case "cancel":
      case "commit":
      case "abort":
      case "expire": {
        const hold = this.holds.get(holdKey(orderId, sku));
        if (hold && isDead) hold.isDead = true;
        else this.holds.delete(holdKey(orderId, sku));
        break;
      }
      case "adjust":
      case "create":
        if (isCompensationId(orderId)) {
          const key = holdKey(orderId, sku);
          this.givenBack.set(key, (this.givenBack.get(key) ?? 0) + 1);
        }
    }
  }
}

/** Key of an order's line. */
export function holdKey(orderId: string, sku: string): string {
  return `${orderId}\u001f${sku}`;
}

/** Rules as text that is equal for equal rules; empty for none. */
export function canonical(policy: string | null): string {
  const rules: Record<string, unknown> = policy === null ? {} : JSON.parse(policy) ?? {};
  const names = Object.keys(rules).sort();
  return names.length === 0
    ? ""
    : JSON.stringify(Object.fromEntries(names.map((name) => [name, rules[name]])));
}

function numberFault(seq: number, wrong: string): Fault {
  return { check: "numbers", seq, subject: "", wrong };
}
