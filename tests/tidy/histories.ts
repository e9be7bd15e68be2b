/**
 * House rules about recorded histories: a test that sends orders past the recording connections, or leaves a history
 * unchecked, is in the table of tools/checker/README.md with the reason.
 *
 * @module
 */
import { tableRows } from "./documents.ts";
import type { SourceFile } from "./files.ts";

/** Tests of whole deployments. */
const recordedFolders = /^tests\/(?:system|fault|net|kafka)\//;
/** They record what goes through them. */
const recorders: ReadonlySet<string> = new Set([
  "tests/system/stack.ts",
  "tests/system/http_connection.ts",
  // The site records what it submits (tests/contract/recorded_service.ts).
  "tests/fault/baskets_test.ts",
  "tests/fault/basket_servers_test.ts",
]);
/** Ways past them: a fetch that is no GET, a request written by hand, another program, a store in the test's process. */
const waysPast: readonly RegExp[] = [
  /\bfetch\([^]*\bmethod\b|\bmethod\b[^]*\bfetch\(/,
  /`(?:POST|PUT) \/api\//,
  /\b(?:curl|oha)\b/,
  /\bdecide(?:In)?\b[^;]*from "\.\.\/contract\/store_suite\.ts"|\.submit\(|\bsell\b[^;]*from "\.\/worker_fixture\.ts"/,
];
const exemption = /\.(unchecked|incomplete)\(\s*"([^"]+)"/g;

/** What the table must have: files with what is not recorded or not checked, and the reasons that the code gives. */
function exceptionsIn(files: readonly SourceFile[]): string[] {
  return files.filter(({ path }) => recordedFolders.test(path) && !recorders.has(path))
    .flatMap(({ path, text }) => {
      const given = [...text.matchAll(exemption)].map(([, kind, reason]) => `${path} | ${kind} | ${reason}`);
      return [
        ...waysPast.some((way) => way.test(text)) && !text.includes("history.send(")
          ? [`${path} | not recorded`]
          : [],
        ...new Set(given),
      ];
    });
}

/** Where the table "Exceptions" of the checker's document and the tests differ. */
export function exceptionDrift(markdown: string, files: readonly SourceFile[]): string[] {
  const wanted = exceptionsIn(files);
  const rows = tableRows(markdown, "Exceptions").map(([path = "", kind = "", reason = ""]) => {
    const file = path.replaceAll("`", "");
    return kind === "not recorded" && reason !== "" ? `${file} | ${kind}` : `${file} | ${kind} | ${reason}`;
  });
  return [
    ...wanted.filter((row) => !rows.includes(row)).map((row) => `tools/checker/README.md lacks: ${row}`),
    ...rows.filter((row) => !wanted.includes(row)).map((row) =>
      `tools/checker/README.md has a stray row: ${row}`
    ),
  ];
}
