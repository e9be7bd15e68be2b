/**
 * Every verb of the command line on one screen.
 *
 * @module
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { Router } from "../decide/router.ts";
import { version } from "../http/openapi/version.ts";
import type { World } from "../runtime/world.ts";
import { backup } from "./verbs/backup.ts";
import { correct } from "./verbs/correct.ts";
import { closeDeadLetter, deadLetters, showDeadLetter } from "./verbs/dead_letters.ts";
import { detach } from "./verbs/detach.ts";
import { doctor } from "./verbs/doctor.ts";
import { Failure } from "./context/failure.ts";
import { type ImportFlags, importHelp, runImport } from "./verbs/import_verb.ts";
import { importModes } from "./verbs/import_rows.ts";
import { cannotAnswer, lookAtOrder } from "./verbs/order_sides.ts";
import { allShards, type CliContext } from "./context/context.ts";
import { rebuildShards } from "./verbs/rebuild.ts";
import { chosenShards, reconcile } from "./verbs/reconcile.ts";
import { recover } from "./verbs/recover.ts";
import { repair } from "./verbs/repair.ts";
import { changeRules, rulesHelp } from "./verbs/rules_verb.ts";
import { forget } from "./verbs/forget.ts";
import { listSkus } from "./verbs/skus.ts";
import { status } from "./verbs/status.ts";
import { type Asked, orderPath, printAnswer, skuPath } from "./context/api_request.ts";
import { requireWrites } from "./context/refused_writes.ts";
import { askerOf, type Common, type VerbContext } from "./context/verb.ts";
import { verify } from "./verbs/verify.ts";

export type OpenVerb = (options: { json: boolean; yes: boolean }) => VerbContext;

/** @param end receives the exit code of the verb */
export function createProgram(open: OpenVerb, end: (code: number) => void): Command {
  const program = new Command("inventory").description("Command line of the Holdfast operator").exitOverride()
    .version(`holdfast ${version} (deno ${Deno.version.deno})`, "-V, --version", "print the version");
  const verb = (usage: string, description: string) =>
    program.command(usage).description(description).exitOverride().option(
      "--json",
      "print the result as JSON",
    );
  const run: Run = (work, shardsOf) => async (...all: unknown[]) => {
    const command = all.at(-1) as Command; // commander passes it last
    const { json = false, yes = false, api } = command.opts<Common>();
    const verbContext = open({ json, yes });
    if (shardsOf && api === undefined) {
      const context = verbContext.context();
      await requireWrites(context, command.name(), shardsOf(context, command));
    }
    end(await work(verbContext, command));
  };
  addStockVerbs(verb, run);
  addImport(verb, run);
  addCare(verb, run);
  return program;
}

type Verb = (usage: string, description: string) => Command;
/** @param shardsOf shards whose servers must accept writes before the verb begins; left out = it only reads Redis */
type Run = (
  work: (context: VerbContext, command: Command) => Promise<number>,
  shardsOf?: (context: CliContext, command: Command) => readonly number[],
) => (...all: unknown[]) => Promise<void>;

/** The shard of the verb's first argument, a SKU. The store decides reads of a SKU like sales. */
const ofSku = (
  { config }: CliContext,
  { args: [sku = ""] }: Command,
) => [new Router(config.shards).route(sku)];
const shardOf = (command: Command) => command.opts<{ shard?: number }>().shard;
const ofOption = (context: CliContext, command: Command) => chosenShards(context, shardOf(command));

/** Adds a verb that is a request to the API. */
type Asking = (usage: string, description: string) => Command;

/** Verbs that are requests to the API. */
function addStockVerbs(verb: Verb, run: Run): void {
  const asking: Asking = (usage, description) =>
    verb(usage, description).option("--api <url>", "call this API")
      .option("--token-file <file>", "file with the token for --api");
  const asked = (make: (args: string[], options: Record<string, unknown>, world: World) => Asked) =>
    run(async ({ terminal, context, world }, command) => {
      const ask = await askerOf(command.opts(), context, world);
      return await printAnswer(await ask(make(command.args, command.opts(), world)), terminal);
    }, ofSku);
  const withNote = (command: Command) =>
    command.option("--reason <text>", "reason, stored with the change", "").option(
      "--reference <text>",
      "document of another system",
      "",
    )
      .option("--id <id>", "adjustment id; takes effect once (default: a new id)");
  const idOf = (options: Record<string, unknown>, world: World) => options.id ?? `cli-${world.uuid()}`;
  const notesOf = ({ reason, reference }: Record<string, unknown>) => ({ reason, reference });

  asking("stock <sku>", "show the stock and rules of a SKU").action(
    asked(([sku = ""]) => ({ method: "GET", path: skuPath(sku) })),
  );
  withNote(asking("adjust", "add units, or remove them"))
    .argument("<sku>").argument("<delta>", "units", integer)
    .action(asked(([sku = "", delta], options, world) => ({
      method: "POST",
      path: skuPath(sku, "/adjustments"),
      body: { adjustment_id: idOf(options, world), delta: integer(delta ?? ""), ...notesOf(options) },
    })));
  withNote(asking("set", "set a SKU's units if they are as expected"))
    .argument("<sku>").argument("<available>", "units", integer)
    .requiredOption("--expected <units|none>", "present units; none = create the SKU", integerOrNone)
    .action(asked(([sku = "", available], options, world) => ({
      method: "PUT",
      path: skuPath(sku),
      body: {
        adjustment_id: idOf(options, world),
        available: integer(available ?? ""),
        expected: options.expected === "none" ? null : options.expected,
        ...notesOf(options),
      },
    })));
  for (const action of ["pause", "resume"] as const) {
    asking(`${action} <sku>`, action === "pause" ? "pause the sale of a SKU" : "resume the sale of a SKU")
      .option("--reason <text>", "reason, stored with the change", "")
      .action(asked(([sku = ""], { reason }) => ({
        method: "POST",
        path: skuPath(sku, `/${action}`),
        body: { reason },
      })));
  }
  addRulesAndOrder(asking, run);
}

function addRulesAndOrder(asking: Asking, run: Run): void {
  asking("rules <sku>", "change the named rules of a SKU's sale")
    .option("--opens-at <time|none>", "start of the sale (RFC 3339 with offset)")
    .option("--closes-at <time|none>", "end of the sale (RFC 3339 with offset)")
    .option("--quota <units|none>", "units that a user may buy within the window", integerOrNone)
    .option("--purchase-token", "a sale requires a purchase token")
    .option("--no-purchase-token", "a sale requires none")
    .option(
      "--expected <version>",
      "expected rules_version (default: the current one)",
      integer,
    )
    .option("--create", "create the SKU, without stock")
    .addHelpText("after", rulesHelp)
    .action(run(async ({ terminal, context, world }, command) => {
      const ask = await askerOf(command.opts(), context, world);
      return await printAnswer(await changeRules(ask, command.args[0] ?? "", command.opts()), terminal);
    }, ofSku));
  asking("order <order_id>", "the state of an order")
    .action(run(async ({ terminal, context, world }, command) => {
      const [orderId = ""] = command.args;
      const answer = await (await askerOf(command.opts(), context, world))({
        method: "GET",
        path: orderPath(orderId),
      });
      const isHere = command.opts<Common>().api === undefined;
      return isHere && cannotAnswer(answer)
        ? await lookAtOrder(context(), terminal, orderId)
        : await printAnswer(answer, terminal);
    }));
}

function addImport(verb: Verb, run: Run): void {
  verb("import <file>", "import stock from a CSV file 'sku,available'")
    .addHelpText("after", importHelp)
    .option("--api <url>", "import through this API")
    .option("--token-file <file>", "file with the token for --api")
    .option("--dry-run", "check the file and print the result of each row, without a change")
    .addOption(new Option("--mode <mode>", "effect of a row").choices([...importModes]).default("create"))
    .option("--reason <text>", "reason, stored with the change", "import")
    .option("--resume", "continue an interrupted import")
    .action(run(
      (context, command) => runImport(context, command.args[0] ?? "", command.opts<ImportFlags>()),
      (context) => allShards(context),
    ));
}

/** Verbs for servers and ledger. */
function addCare(verb: Verb, run: Run): void {
  verb("status", "show every shard: armed, epoch, head, lag, SKUs, open tasks")
    .action(run(({ terminal, context }) => status(context(), terminal)));
  verb("skus", "list SKUs and their stock in the ledger, in pages")
    .option("--after <sku>", "continue after this SKU", "")
    .option("--limit <rows>", "most rows", integer, 1000)
    .action(
      run(({ terminal, context }, command) =>
        listSkus(context(), terminal, command.opts<{ after: string; limit: number }>())
      ),
    );
  verb("doctor", "check settings and servers, and list the guarantees that they keep")
    .action(run(({ terminal, context }) => doctor(context(), terminal)));
  verb("dead-letters", "list events that the ledger refused, show one, or close one")
    .argument("[id|close]", "the one to show, or 'close'")
    .argument("[id]", "the one to close", integer)
    .option("--limit <rows>", "most rows", integer, 50)
    .option("--all", "include closed ones")
    .option("--reason <text>", "close: the decision")
    .option("--give-back", "close: return the units of the event")
    .action(run(({ terminal, context }, command) => {
      const [first, second] = command.args;
      const options = command.opts<{ limit: number; all?: true; reason?: string; giveBack?: true }>();
      if (first === undefined) {
        return deadLetters(context(), terminal, options.limit, options.all ? "all" : "open");
      }
      if (first !== "close") return showDeadLetter(context(), terminal, integer(first));
      if (second === undefined || options.reason === undefined) {
        throw new Failure(
          "Name the dead letter and the reason: dead-letters close <id> --reason <text>",
          "usage",
        );
      }
      const units = options.giveBack ? "give back" : "keep";
      return closeDeadLetter(context(), terminal, integer(second), options.reason, units);
    }));
  addRepairs(verb, run);
}

/** Verbs that compare and repair. */
function addRepairs(verb: Verb, run: Run): void {
  const onShard = (command: Command) => command.option("--shard <number>", "only this shard", integer);
  verb("backup <file>", "copy the ledger of the embedded default while it sells")
    .action(run(({ terminal, context }, command) => backup(context(), terminal, command.args[0] ?? "")));
  onShard(verb("verify", "prove that the ledger is complete and consistent; exit code 1 when it is not"))
    .action(run(({ terminal, context }, command) => verify(context(), terminal, shardOf(command))));
  verb(
    "detach",
    "give a copied ledger its own deployment id, so that it cannot use the original's Redis",
  )
    .option("--yes", "do not ask")
    .action(run(({ terminal, context }) => detach(context(), terminal)));
  onShard(verb("reconcile", "compare store and ledger while both run; exit code 1 when they differ"))
    .action(run(({ terminal, context }, command) => reconcile(context(), terminal, shardOf(command))));
  onShard(verb("correct", "copy the store's values into the ledger, by movements of kind correction"))
    .requiredOption("--reason <text>", "reason, stored in every movement")
    .option("--reference <text>", "document of another system", "")
    .option("--yes", "do not ask")
    .action(run(({ terminal, context }, command) => {
      const { reason, reference } = command.opts<{ reason: string; reference: string }>();
      return correct(context(), terminal, shardOf(command), { reason, reference });
    }));
  onShard(verb("rebuild", "empty the store's shards and rebuild them from the ledger"))
    .option("--yes", "do not ask, unless events are lost")
    .option("--lost <numbers>", "accept the loss of so many numbers", integer)
    .action(
      run(
        ({ terminal, context }, command) =>
          rebuildShards(context(), terminal, shardOf(command), command.opts<{ lost?: number }>().lost),
        ofOption,
      ),
    );
  onShard(verb("recover", "continue without numbers that are neither in the ledger nor in the log"))
    .requiredOption("--reason <text>", "reason, stored with the lost numbers and in every correction")
    .option("--lost <numbers>", "accept the loss of so many numbers; else ask", integer)
    .action(run(({ terminal, context }, command) => {
      const { reason, lost } = command.opts<{ reason: string; lost?: number }>();
      return recover(context(), terminal, { shard: shardOf(command), reason, lost });
    }, ofOption));
  verb("forget <user_id>", "replace a user in the ledger by a pseudonym, and list what else has the user")
    .requiredOption("--reason <text>", "reason, stored in the table forgotten, without the user")
    .option("--yes", "do not ask")
    .action(
      run(({ terminal, context }, command) =>
        forget(context(), terminal, command.args[0] ?? "", command.opts<{ reason: string }>().reason)
      ),
    );
  onShard(verb("repair", "rebuild the shards whose store and ledger differ, and write a report"))
    .option("--yes", "do not ask")
    .option("--report <file>", "file for the differences", "repair.json")
    .action(run(({ terminal, context }, command) => {
      const { report } = command.opts<{ report: string }>();
      return repair(context(), terminal, shardOf(command), report);
    }, ofOption));
}

function integer(text: string): number {
  const value = Number(text);
  if (/^-?\d{1,15}$/.test(text)) return value;
  throw new InvalidArgumentError("must be an integer");
}

/** Not null for none: commander treats null as an option without a value. */
function integerOrNone(text: string): number | "none" {
  return text === "none" ? text : integer(text);
}
