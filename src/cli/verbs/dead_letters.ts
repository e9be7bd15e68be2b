/**
 * `dead-letters`: events that the ledger refused in part. Their movements are applied.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { UnitsOf } from "../../ledger/corrections.ts";
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** A row without its event. */
interface DeadLetter {
  readonly id: number;
  readonly shard: number;
  readonly seq: number;
  readonly sqlstate: string;
  readonly reason: string;
  readonly createdAt: string;
  readonly closedBy: string | null;
  readonly decision: string | null;
}

const rowsMax = 10_000;

/** Lists the newest first: those that wait for an operator, or all of them. */
export async function deadLetters(
  context: CliContext,
  terminal: Terminal,
  limit: number,
  which: "open" | "all",
): Promise<number> {
  if (limit < 1 || limit > rowsMax) throw new Failure(`--limit must be from 1 to ${rowsMax}`, "usage");
  await context.deployment();
  const database = await context.database();
  const rows = await database.query<DeadLetter>(
    (await loadStatements()).list_dead_letters,
    [limit, which === "all"],
  );
  const cells = rows.map((row) => ({ ...row }));
  terminal.result({ dead_letters: rows }, rows.length === 0 ? "No dead letters" : table(cells));
  return exits.ok;
}

/** Shows one, with its event. */
export async function showDeadLetter(context: CliContext, terminal: Terminal, id: number): Promise<number> {
  await context.deployment();
  const database = await context.database();
  const [row] = await database.query<DeadLetter & { event: string }>(
    (await loadStatements()).show_dead_letter,
    [id],
  );
  if (!row) throw new Failure(`Cannot find dead letter ${id}`);
  const { event, ...rest } = row;
  const head = Object.entries(rest).map(([name, value]) => `${name} ${value}`).join("\n");
  terminal.result({ ...rest, event: JSON.parse(event) }, `${head}\nevent ${event}`);
  return exits.ok;
}

/** Closes one, by decision of an operator. */
export async function closeDeadLetter(
  context: CliContext,
  terminal: Terminal,
  id: number,
  reason: string,
  units: UnitsOf,
): Promise<number> {
  await context.deployment();
  const note = { actor: context.actor, reason, reference: "" };
  const closed = await (await context.ledger()).closeDeadLetter(id, note, units);
  switch (closed.kind) {
    case "unknown":
      throw new Failure(`Cannot close dead letter ${id} as there is none that is open`);
    case "took_nothing":
      throw new Failure(
        `Cannot give back units of dead letter ${id} as its event is a ${closed.eventKind}: only a deduct or an order ` +
          `took units for good`,
      );
    case "closed": {
      const given = closed.units;
      const back = given > 0 ? `; the worker gives ${given} units back within 10 s` : "";
      terminal.result({ id, closed: true, units_given_back: given }, `Dead letter ${id} is closed${back}`);
      return exits.ok;
    }
  }
}
