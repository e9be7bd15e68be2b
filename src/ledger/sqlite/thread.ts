/**
 * The thread that has the SQLite file: a commit waits for the disk there, and the main thread serves requests meanwhile.
 *
 * @module
 */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { type Param, SqlError } from "../database.ts";
import { Engine } from "./engine.ts";

/** A call to the thread. */
export type Call =
  | { readonly kind: "open"; readonly path: string; readonly readOnly: boolean; readonly settings: string }
  | { readonly kind: "query"; readonly text: string; readonly params: readonly Param[] }
  | { readonly kind: "script"; readonly text: string }
  | { readonly kind: "rollback" }
  | { readonly kind: "close" };

/** The result of a call. */
export type Answer =
  | { readonly kind: "rows"; readonly rows: object[] }
  | { readonly kind: "refused"; readonly sqlstate: string; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

let engine: Engine | undefined;

function answer(call: Call): Answer {
  try {
    return { kind: "rows", rows: run(call) };
  } catch (error) {
    if (error instanceof SqlError) {
      return { kind: "refused", sqlstate: error.sqlstate, message: error.message };
    }
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

function run(call: Call): object[] {
  if (call.kind === "open") {
    const opening = new Engine(call.path, call);
    try {
      opening.script(call.settings);
    } catch (error) {
      opening.close();
      throw error;
    }
    engine = opening;
    return [];
  }
  if (!engine) throw new Error("the file is not open");
  if (call.kind === "query") return engine.query(call.text, call.params);
  if (call.kind === "script") engine.script(call.text);
  else if (call.kind === "rollback") engine.rollback();
  else engine.close();
  return [];
}

// Other modules import only its types.
if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  self.onmessage = ({ data }: MessageEvent<readonly Call[]>) => self.postMessage(data.map(answer));
}
