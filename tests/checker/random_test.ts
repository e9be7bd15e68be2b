/**
 * Random histories: correct ones pass, and one slip in the quantities of a correct one is found. The seed is printed;
 * TEST_SEED repeats it.
 */
import assert from "node:assert/strict";
import { checkHistory } from "../../tools/checker/checker.ts";
import { drawer, randomHistory } from "./random_history.ts";
import { accepted, header, movement, operation, units } from "./sample_history.ts";

type Members = Record<string, unknown>;

const RUNS = 200;
const OPERATIONS = 300;

function firstSeed(): number {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  // deno-lint-ignore no-console -- the seed repeats the run
  console.log(`seed ${seed}`);
  return seed;
}

const check = (lines: readonly Members[]) => checkHistory(lines.map((line) => JSON.stringify(line)));

Deno.test("random correct histories pass", () => {
  const first = firstSeed();
  const met = { refused: 0, replayed: 0, read: 0, unknownApplied: 0, unknownOpen: 0 };
  for (let seed = first; seed < first + RUNS; seed++) {
    const { violations, outcomes } = check(randomHistory(seed, OPERATIONS));
    assert.deepEqual(violations.slice(0, 5), [], `seed ${seed}`);
    for (const name of Object.keys(met) as (keyof typeof met)[]) met[name] += outcomes[name];
  }
  for (const [name, count] of Object.entries(met)) assert.ok(count > 0, `no run has met '${name}'`);
});

/** One slip, planted in a line that it fits. */
const slips: Record<string, { fits: (line: Members) => boolean; plant: (line: Members) => Members[] }> = {
  "an accepted order is not in the log": {
    fits: ({ type, kind }) => type === "movement" && kind === "deduct",
    plant: () => [],
  },
  "a movement has one unit more": {
    fits: ({ type }) => type === "movement",
    plant: (line) => [{ ...line, delta: Number(line.delta) + 1 }],
  },
  "an answer has one unit more": {
    fits: ({ answer, lines }) => isKind(answer, "accepted") && (lines as unknown[]).length > 0,
    plant: (line) => {
      const answer = line.answer as { available: number[] };
      return [{ ...line, answer: { ...answer, available: answer.available.map((units) => units + 1) } }];
    },
  },
  "a read has one unit more": {
    fits: ({ answer }) => isKind(answer, "stock"),
    plant: (line) => {
      const answer = line.answer as { available: number };
      return [{ ...line, answer: { ...answer, available: answer.available + 1 } }];
    },
  },
  "an order is refused that could be sold": {
    fits: ({ answer }) => isKind(answer, "refused", "insufficient_stock"),
    plant: (line) => [{ ...line, lines: [{ sku: line.sku ?? skuOf(line), units: 0 }] }],
  },
};

function isKind(answer: unknown, kind: string, code?: string): boolean {
  const heard = answer as Members | undefined;
  return heard?.kind === kind && (code === undefined || heard.code === code);
}

function skuOf({ lines }: Members): unknown {
  return (lines as Members[])[0]?.sku;
}

Deno.test("one slip in a random history is found, whatever line it is planted in", () => {
  const first = firstSeed();
  for (const [what, { fits, plant }] of Object.entries(slips)) {
    for (let seed = first, planted = 0; planted < RUNS / 10; seed++) {
      assert.ok(seed < first + RUNS, `${RUNS - planted} histories have no line for '${what}'`);
      const lines = randomHistory(seed, OPERATIONS);
      const places = lines.flatMap((line, index) => fits(line) ? [index] : []);
      const place = places[drawer(seed)(places.length)];
      if (place === undefined) continue;
      planted++;
      const doctored = lines.flatMap((line, index) => index === place ? plant(line) : [line]);
      const { violations } = check(doctored);
      assert.ok(violations.length > 0, `seed ${seed}, line ${place + 1}: '${what}' was not found`);
    }
  }
});

/** Every second number is declared lost, and every second of these is recovered. */
function declaredHistory(count: number): Members[] {
  let available = 10 * count;
  const lines: Members[] = [header, movement(1, "create", "stock", available, available)];
  for (let seq = 2; seq <= count; seq++) {
    const [isDeclared, isRecovered] = [seq % 2 === 0, seq % 4 === 0];
    const isThere = !isDeclared || isRecovered;
    if (isThere) available--;
    const [id, atMs] = [`o${seq}`, 10 * seq];
    const range = { shard: 0, from_seq: seq - 1, to_seq: seq };
    lines.push(operation("deduct", id, [atMs, atMs + 1], { ...units(1), ...accepted(seq, available) }));
    if (isDeclared) lines.push({ type: "lost", ...range, at_ms: atMs + 2 });
    if (isRecovered) lines.push({ type: "recovered", ...range, at_ms: atMs + 3 });
    if (isThere) lines.push(movement(seq, "deduct", id, -1, available));
  }
  return [...lines, { type: "cursor", shard: 0, seq: count }];
}

for (
  const [what, made] of [
    ["operations", (count: number) => randomHistory(1, count)],
    ["declarations and recoveries", declaredHistory],
  ] as const
) {
  Deno.test(`the time of a check grows with the history, not with its square: ${what}`, () => {
    const timeOf = (count: number) => {
      const lines = made(count).map((line) => JSON.stringify(line));
      const startMs = performance.now();
      assert.deepEqual(checkHistory(lines).violations, []);
      return performance.now() - startMs;
    };
    timeOf(2_000); // compiled
    // Linear is 20 times; quadratic 400. A busy machine may stretch one of the two: then once more.
    let [small, large] = [Infinity, Infinity];
    for (let left = 5; left > 0 && !(large < 200 * small); left--) {
      small = Math.min(small, timeOf(2_000), timeOf(2_000));
      large = Math.min(large, timeOf(40_000));
    }
    assert.ok(large < 200 * small, `20 times as many operations took ${small} and ${large} ms`);
  });
}
