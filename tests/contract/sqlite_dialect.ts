/**
 * A second connection to a ledger's SQLite file, for what a test looks at or does by hand, in the SQL that the suites
 * have for PostgreSQL.
 */
import type { Queries } from "../../src/ledger/database.ts";
import { Engine } from "../../src/ledger/sqlite/engine.ts";

const format = "'%Y-%m-%d %H:%M:%f'";
const refuse = (name: string, what: string) =>
  `create trigger movements_only_grow_${what} before ${what} on ${name} begin
   select raise(abort, 'Cannot ${what} movements as they only grow: book a correction instead'); end`;

/** In turn. */
const translations: readonly (readonly [RegExp, string])[] = [
  [
    /round\(extract\(epoch from (\w+)\) \* 1000\)::bigint/g,
    "cast(round(unixepoch($1, 'subsec') * 1000) as integer)",
  ],
  [/::\w+/g, ""],
  [/now\(\) - interval '(\d+) (\w+)'/g, `strftime(${format}, 'now', '-$1 $2')`],
  [/(\w+) - interval '(\d+) (\w+)'/g, `strftime(${format}, $1, '-$2 $3')`],
  [/now\(\)/g, `strftime(${format}, 'now')`],
  [
    /alter table movements disable trigger user/g,
    "drop trigger movements_only_grow_update; drop trigger movements_only_grow_delete",
  ],
  [
    /alter table movements enable trigger user/g,
    `${refuse("movements", "update")}; ${refuse("movements", "delete")}`,
  ],
  [/overriding system value/g, ""],
  [/create table (kept_\w+) as table (\w+)/g, "create table $1 as select * from $2"],
  [/(insert into \w+\s+)table (kept_\w+)/g, "$1select * from $2"],
  [/^update order_lines set fingerprint = 'digest'$/, "select 1"], // a column of earlier versions, on PostgreSQL only
  [/fingerprint, /g, ""],
];

/** The same in SQLite's SQL. */
export function inSqlite(statement: string): string {
  return translations.reduce((text, [pattern, by]) => text.replace(pattern, by), statement);
}

/** Columns of JSON, which PostgreSQL's driver parses. */
const parsed = new Set(["data", "policy"]);

/** Opens the file a second time. */
export function openByHand(path: string): Queries & { close(): void } {
  const engine = new Engine(path);
  engine.script("pragma busy_timeout = 5000");
  let isClosed = false;
  return {
    // deno-lint-ignore require-await -- async, so that a refusal rejects and does not throw
    async query<Row extends object>(statement: string): Promise<Row[]> {
      const rows = engine.query<Record<string, unknown>>(inSqlite(statement));
      return rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            parsed.has(name) && typeof value === "string" ? JSON.parse(value) : value,
          ]),
        ) as Row
      );
    },
    // deno-lint-ignore require-await -- as above
    async script(statements: string): Promise<void> {
      engine.script(inSqlite(statements));
    },
    close: () => {
      if (!isClosed) engine.close();
      isClosed = true;
    },
  };
}
