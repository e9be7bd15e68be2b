/**
 * The movements of a shard followed in their order: numbers, figures, rules, holds and what was given back.
 *
 * What is kept in memory grows with SKUs, open reservations and compensations, not with movements: about 200 bytes each.
 *
 * @module
 */
import { isCompensationId } from "./compensation_id.ts";
import { asideLine } from "./movements.ts";

/** Something that is wrong in the ledger. */
export interface Fault {
  /** Which part of the proof found it. */
  readonly check: "numbers" | "figures" | "stock" | "rules" | "order lines" | "holds" | "compensations";
  /** Number of the event; 0 when it is about no event. */
  readonly seq: number;
  /** SKU, or order id and SKU; may be empty. */
  readonly subject: string;
  /** What is wrong, with both figures where there are two. */
  readonly wrong: string;
}

/** A movement as the statement `verify_movements` reads it. */
export interface ProvenMovement {
  /** Number of its event, which `log_jumps` has when its line is aside; of a correction the number that it stands behind. */
  readonly seq: number;
  /** Its place in its event, from 0; from 1000 for a correction, and for an event taken from a store. */
  readonly line: number;
  /** Under which its number was issued. */
  readonly epoch: number;
  /** As in `InventoryEvent`, or `correction`. */
  readonly kind: string;
  /** Whose units. */
  readonly sku: string;
  /** Change of available units. */
  readonly delta: number;
  /** Change of reserved units. */
  readonly reservedDelta: number;
  /** Available units after it. */
  readonly available: number;
  /** Reserved units after it. */
  readonly reserved: number;
  /** Order id, or adjustment id; null for kinds that a proof does not follow. */
  readonly orderId: string | null;
  /** When the hold lapses, ms since 1970; null for other kinds than `reserve` and `extend`. */
  readonly expires: number | null;
  /** Rules as JSON; null for a movement that does not change them. */
  readonly policy: string | null;
}

/** A SKU as its movements make it. */
export interface ProvenStock {
  /** Available units. */
  available: number;
  /** Reserved units. */
  reserved: number;
  /** Its rules as canonical JSON; empty when it has none; undefined when a dead letter may have changed them. */
  policy: string | undefined;
}

/** An open reservation of a SKU as its movements make it. */
export interface ProvenHold {
  /** Number of the event that made it. */
  readonly seq: number;
  /** Units held. */
  readonly units: number;
  /** When it lapses, ms since 1970. */
  expires: number;
  /** An event of it was set aside, so its order line may say something else. */
  isDead: boolean;
}

/** Follows the movements of one shard from its first. */
export class ProofWalk {
  /** By SKU. */
  readonly stock = new Map<string, ProvenStock>();
  /** By {@link holdKey}. */
  readonly holds = new Map<string, ProvenHold>();
  /** How often the units of a compensation came back, by id of the adjustment and SKU. */
  readonly givenBack = new Map<string, number>();
  /** Movements read. */
  movements = 0;
  /** The last movement read. */
  last = { seq: 0, line: -1 };
  /** Last number of an event, or of a jump. */
  #at = 0;
  #line = -1;
  #epoch = 0;
  readonly #jumps: Map<number, number>;
  readonly #dead: ReadonlySet<number>;

  /**
   * Begins before the first movement.
   *
   * @param jumps first number of each jump to its last: see `log_jumps`
   * @param dead numbers of events that were set aside
   */
  constructor(jumps: ReadonlyMap<number, number>, dead: ReadonlySet<number>) {
    this.#jumps = new Map(jumps);
    this.#dead = dead;
  }

  /** Reads on. */
  *read(movements: readonly ProvenMovement[]): Generator<Fault> {
    for (const movement of movements) {
      this.movements++;
      this.last = { seq: movement.seq, line: movement.line };
      if (movement.line < asideLine) yield* this.#number(movement);
      yield* this.#figures(movement);
      this.#follow(movement);
    }
  }

  /** What is wrong when the walk has come to the cursor. */
  *end(cursorSeq: number): Generator<Fault> {
    this.#jump(cursorSeq);
    if (this.#at !== cursorSeq) {
      yield numberFault(this.#at, `the movements end at ${this.#at}, the cursor stands at ${cursorSeq}`);
    }
    for (const [from, to] of this.#jumps) {
      if (from < cursorSeq) {
        yield numberFault(from, `log_jumps says that ${from + 1} to ${to} are lost: they are not`);
      }
    }
  }

  /** Follows jumps that begin here and go no further than `last`. */
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
          `numbers ${this.#at + 1} to ${seq - 1} are missing, and log_jumps does not explain it`,
        );
      }
      this.#at = seq;
      this.#line = -1;
    }
    if (line !== this.#line + 1) yield numberFault(seq, `lines ${this.#line + 1} to ${line - 1} are missing`);
    if (epoch < this.#epoch) yield numberFault(seq, `epoch ${epoch} stands behind ${this.#epoch}`);
    this.#line = line;
    this.#epoch = epoch;
  }

  *#figures({ seq, sku, delta, reservedDelta, available, reserved }: ProvenMovement): Generator<Fault> {
    const stock = this.#stockOf(sku);
    stock.available += delta;
    stock.reserved += reservedDelta;
    if (stock.available !== available || stock.reserved !== reserved) {
      const wrong =
        `${available}+${reserved} stands after it, the sums are ${stock.available}+${stock.reserved}`;
      yield { check: "figures", seq, subject: sku, wrong };
      // What follows is judged on its own: one fault is said once. The stock is compared with the sums all the same.
      this.#offsets.set(sku, {
        available: (this.#offsets.get(sku)?.available ?? 0) + stock.available - available,
        reserved: (this.#offsets.get(sku)?.reserved ?? 0) + stock.reserved - reserved,
      });
      stock.available = available;
      stock.reserved = reserved;
    }
  }

  readonly #offsets = new Map<string, { available: number; reserved: number }>();

  /** The sum of a SKU's movements, whatever stands in them as the figure after. */
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

  /** A dead letter may or may not have taken effect beside its movement: what it was about is not compared. */
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
      case "confirm":
      case "cancel":
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

/** Names a line of an order. */
export function holdKey(orderId: string, sku: string): string {
  return `${orderId}\u001f${sku}`;
}

/** Rules as text that is equal when the rules are; empty for none. */
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
