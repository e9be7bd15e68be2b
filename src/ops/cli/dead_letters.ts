/**
 * `dead-letters`: what the ledger could not take as it came. Its movement is booked all the same.
 *
 * @module
 */
import { exits, Failure } from "./failure.ts";
import type { Reach } from "./reach.ts";
import { table, type Terminal } from "./terminal.ts";

/** A row without its event. */
interface DeadLetter {
  readonly id: number;
  readonly shard: number;
  readonly seq: number;
  readonly sqlstate: string;
  readonly reason: string;
  readonly createdAt: string;
}

const columns = `id, shard, seq, sqlstate, reason, created_at::text as "createdAt"`;
const rowsMax = 10_000;

/** Lists the newest first. */
export async function deadLetters(reach: Reach, terminal: Terminal, limit: number): Promise<number> {
  if (limit < 1 || limit > rowsMax) throw new Failure(`--limit must be from 1 to ${rowsMax}`, "usage");
  await reach.deployment();
  const books = await reach.books();
  const rows = await books.query<DeadLetter>(
    `select ${columns} from dead_letters order by id desc limit $1`,
    [limit],
  );
  const cells = rows.map((row) => ({ ...row }));
  terminal.result({ dead_letters: rows }, rows.length === 0 ? "No dead letters" : table(cells));
  return exits.ok;
}

/** Shows one, with its event. */
export async function showDeadLetter(reach: Reach, terminal: Terminal, id: number): Promise<number> {
  await reach.deployment();
  const books = await reach.books();
  const [row] = await books.query<DeadLetter & { event: string }>(
    `select ${columns}, event::text as event from dead_letters where id = $1`,
    [id],
  );
  if (!row) throw new Failure(`Cannot find dead letter ${id}`);
  const { event, ...rest } = row;
  const head = Object.entries(rest).map(([name, value]) => `${name} ${value}`).join("\n");
  terminal.result({ ...rest, event: JSON.parse(event) }, `${head}\nevent ${event}`);
  return exits.ok;
}
