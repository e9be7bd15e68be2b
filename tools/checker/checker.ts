/**
 * Checks a history, line by line and then as a whole.
 *
 * @module
 */
import { Answers, type Outcomes } from "./answers.ts";
import { Declarations } from "./declared.ts";
import { Log } from "./log.ts";
import type { Violation } from "./rules.ts";
import { RealTime } from "./order.ts";
import { BadRecord } from "./fields.ts";
import { type Header, type Operation, parseRecord } from "./record.ts";

/** What was found. */
export interface Report {
  /** Empty when every rule holds. */
  readonly violations: readonly Violation[];
  readonly operations: number;
  readonly movements: number;
  readonly outcomes: Outcomes;
  /** Accepted operations whose numbers were declared lost and are not back, as texts. */
  readonly declaredLosses: readonly string[];
  /** Refusals that nothing can be said of: they were decided at numbers that the log declares lost. */
  readonly undecidable: number;
  /** SKUs whose free units were refused to a buyer: how often, and how many were free at most. */
  readonly stranded: readonly { readonly sku: string; readonly refusals: number; readonly units: number }[];
}

/** A file that cannot be checked. The message begins with the number of the line. */
export class BadHistory extends Error {
  /** The class, for messages. */
  override name = "BadHistory";
}

/** Takes the lines of one file in their order. */
export class Checker {
  readonly #declared = new Declarations();
  readonly #log = new Log(this.#declared);
  readonly #operations: Operation[] = [];
  #header: Header | undefined;
  #lines = 0;

  /** Takes the next line, without its line break. An empty line is skipped. @throws {BadHistory} */
  line(text: string): void {
    this.#lines++;
    if (text.trim() === "") return;
    const problem = this.#add(text);
    if (problem !== undefined) throw new BadHistory(`line ${this.#lines}: ${problem}`);
  }

  /** Checks the whole. @throws {BadHistory} when nothing was recorded */
  finish(): Report {
    const header = this.#header;
    if (!header) {
      throw new BadHistory("line 1: a history begins with a line of type 'history': the file is empty");
    }
    this.#declared.finish();
    this.#log.finish();
    const answers = new Answers(this.#log, this.#declared);
    answers.check(this.#operations, { isComplete: header.complete });
    const realTime = new RealTime(this.#log, this.#declared, header.refusalAgeMaxMs);
    realTime.check(this.#operations);
    return {
      violations: [this.#log, this.#declared, answers, realTime].flatMap(({ violations }) => violations),
      operations: this.#operations.length,
      movements: this.#log.movements,
      outcomes: answers.outcomes,
      declaredLosses: [...answers.declaredLosses],
      undecidable: realTime.undecidable,
      stranded: [...realTime.stranded].map(([sku, found]) => ({ sku, ...found })),
    };
  }

  /** Returns what is wrong with the line. */
  #add(text: string): string | undefined {
    const record = parse(text);
    if (typeof record === "string") return record;
    if ((record.type === "history") !== (this.#header === undefined)) {
      return "the first line must be of type 'history', and no other";
    }
    switch (record.type) {
      case "history":
        this.#header = record;
        return undefined;
      case "operation":
        this.#operations.push(record);
        return undefined;
      case "movement":
        return this.#log.add(record);
      case "lost":
        this.#declared.addLost(record);
        return undefined;
      case "recovered":
        this.#declared.addRecovered(record);
        return undefined;
      case "cursor":
        this.#log.addCursor(record);
        return undefined;
    }
  }
}

function parse(text: string): ReturnType<typeof parseRecord> | string {
  try {
    return parseRecord(text);
  } catch (error) {
    if (error instanceof BadRecord) return error.message;
    throw error;
  }
}

/** Checks lines that are at hand. @throws {BadHistory} */
export function checkHistory(lines: Iterable<string>): Report {
  const checker = new Checker();
  for (const line of lines) checker.line(line);
  return checker.finish();
}
