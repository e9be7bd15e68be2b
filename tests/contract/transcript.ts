/**
 * Transcripts of a shard in Redis: what is sent to its scripts, what they reply, and everything that changes in its keys.
 *
 * A transcript is a text. Its lines with two spaces at the start are made by {@link play}; the others say what to do:
 *
 *     == TITLE             a new shard, at 1000000 ms
 *     settings "A B C"     arms the shard under epoch 1, with these settings; prints nothing
 *     at MS                from now on it is that time for the scripts
 *     info TEXT            from now on `INFO replication` is this, with `$server` for the server's own id
 *     caller A B C D       epoch, settings, shards and deployment of the caller in the next calls
 *     > COMMAND            a command of lua/decide.lua; those of lines that follow one another are one call.
 *                          {"skus": 3} is [["S0", 1], ["S1", 1], ["S2", 1]]
 *     >N COMMAND           the command N times, with the numbers from 0 in place of each '#'
 *     run SCRIPT ARG ...   another script
 *     redis COMMAND ...    a command to the server, with `:stock` for the key; prints nothing
 *     # ...                a comment
 *
 * Of more than 30 replies, or fields of a key, there is only their number; of a long text its length and its digest.
 *
 * @module
 */
import { digestOf, type Script } from "../../src/redis/script.ts";
import { keyNames } from "../../src/redis/keys.ts";

/** Sends a command to the server. */
export type Call = (name: string, ...args: readonly (string | number)[]) => Promise<unknown>;

/** Where a transcript is played. */
export interface Stage {
  readonly call: Call;
  /** The script with a name. */
  readonly script: (name: string) => Pick<Script, "source">;
  /** Begins the names of the keys; each shard gets its own. */
  readonly namespace: string;
}

/** Field, member or id of a key -> its value as it is shown. */
type Contents = Map<string, string>;

const startMs = 1_000_000;
const deployment = "d";
/** Of replies, and of fields of a key. */
const shownMax = 30;
const charsMax = 1000;

// Reads all keys as they are; orders are unpacked. \144 is an empty array.
const dump = `
local all = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call("TYPE", key).ok
  if kind == "hash" then all[i] = redis.call("HGETALL", key)
  elseif kind == "zset" then all[i] = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  elseif kind == "stream" then
    all[i] = {}
    for _, entry in ipairs(redis.call("XRANGE", key, "-", "+")) do
      all[i][#all[i] + 1] = entry[1]
      all[i][#all[i] + 1] = table.concat(entry[2], " ")
    end
  else all[i] = {} end
  if i == 3 or i == 4 then
    for n = 2, #all[i], 2 do
      all[i][n] = all[i][n] == "\\144" and "none" or cjson.encode(cmsgpack.unpack(all[i][n]))
    end
  end
end
return cjson.encode(all)`;

/** Plays one shard's part of a transcript. */
class Play {
  readonly #stage: Stage;
  readonly #keys: string[];
  readonly #lines: string[] = [];
  #nowMs = startMs;
  #info: string | undefined;
  #caller = ["1", "", "1", ""];
  #commands: unknown[] = [];
  #before: Contents = new Map();
  #server = "";
  /** The last call wrote to a key. */
  #isWritten = false;

  constructor(stage: Stage, index: number) {
    this.#stage = stage;
    this.#keys = keyNames.map((name) => `{${stage.namespace}-${index}}:${name}`);
  }

  /** @returns the lines with what they made */
  async all(lines: readonly string[]): Promise<string[]> {
    const info = String(await this.#stage.call("INFO", "replication"));
    this.#server = /master_replid:(\w+)/.exec(info)?.[1] ?? "";
    for (const [i, line] of lines.entries()) {
      this.#lines.push(line);
      await this.#do(line, lines[i + 1] ?? "");
    }
    await this.#stage.call("DEL", ...this.#keys);
    return this.#lines;
  }

  async #do(line: string, next: string): Promise<void> {
    const [word = "", ...args] = wordsOf(line);
    if (word.startsWith(">")) {
      for (let i = 0; i < Number(word.slice(1) || 1); i++) {
        this.#commands.push(commandOf(line.slice(word.length).replaceAll("#", `${i}`)));
      }
      if (next.startsWith(">")) return;
      const batch = JSON.stringify(this.#commands.splice(0).flatMap(positionsOf));
      await this.#show(await this.#run("decide", [batch, ...this.#caller]));
    } else if (word === "run") await this.#show(await this.#run(args[0] ?? "", args.slice(1)));
    else if (word === "settings") {
      this.#caller[1] = args[0] ?? "";
      await this.#run("arm", ["$server", 0, 0, 1, deployment, 1, 0, "", 0, 0, 0, ...args]);
      this.#before = await this.#contents();
    } else if (word === "redis") {
      const [name = "", ...rest] = args;
      await this.#stage.call(name, ...rest.map((arg) => this.#filled(arg)));
      this.#before = await this.#contents();
    } else if (word === "at") this.#nowMs = Number(args[0]);
    else if (word === "info") this.#info = args[0];
    else if (word === "caller") this.#caller = args;
    else if (word !== "" && !/^(?:#|==)/.test(word)) throw new TypeError(`Cannot play '${line}'`);
  }

  /** A key's name for `:stock`, and the server's id for `$server`. */
  #filled(arg: string | number): string {
    const index = keyNames.findIndex((name) => arg === `:${name}`);
    return this.#keys[index] ?? String(arg).replaceAll("$server", this.#server);
  }

  async #run(name: string, args: readonly (string | number)[]): Promise<string> {
    const [seconds, micros] = [Math.floor(this.#nowMs / 1000), this.#nowMs % 1000 * 1000 + 999];
    const timed = this.#stage.script(name).source
      .replaceAll('redis.call("TIME")', `{ "${seconds}", "${micros}" }`);
    const source = this.#info === undefined
      ? timed
      : timed.replaceAll('redis.call("INFO", "replication")', JSON.stringify(this.#filled(this.#info)));
    const filled = args.map((arg) => this.#filled(arg));
    const { call } = this.#stage;
    this.#isWritten = false;
    try {
      await call("WATCH", ...this.#keys);
      const reply = String(await call("EVAL", source, this.#keys.length, ...this.#keys, ...filled));
      await call("MULTI");
      this.#isWritten = await call("EXEC") === null;
      return reply;
    } catch (error) {
      await call("UNWATCH");
      // Valkey words it otherwise.
      const words = String(error).replace("Lua redis lib command", "Command");
      return `error ${words.replace(/^\w+: |,? ?(?:script:|on @user_script).*$/g, "")}`;
    }
  }

  async #show(reply: string): Promise<void> {
    const print = (line: string) => {
      const text = line.replaceAll(this.#server, "$server");
      const [start = ""] = /^\S+ [^[ ]+ = /.exec(text) ?? [];
      const rest = text.slice(start.length);
      const shown = rest.length > charsMax
        ? `${rest.length} characters, ${digestOf(rest).slice(0, 8)}`
        : rest;
      this.#lines.push(`  ${start}${shown}`);
    };
    for (const line of repliesOf(reply)) print(line);
    const after = await this.#contents();
    const changes = changesOf(this.#before, after);
    for (const line of changes) print(line);
    if (this.#isWritten && changes.length === 0) print("written, and nothing is changed");
    this.#before = after;
  }

  async #contents(): Promise<Contents> {
    const all = JSON.parse(String(await this.#stage.call("EVAL", dump, this.#keys.length, ...this.#keys)));
    const contents = keyNames.flatMap((name, key) => {
      // An empty table of Lua is an object in JSON.
      const flat: string[] = Array.isArray(all[key]) ? all[key] : [];
      return flat.flatMap((field, i) =>
        i % 2 === 0 ? [[`${name} ${escaped(field)}`, sorted(flat[i + 1] ?? "")] as const] : []
      ).sort(([a], [b]) => a < b ? -1 : 1);
    });
    return new Map(contents);
  }
}

/** A command, with the lists of lines that it names. */
function commandOf(text: string): unknown {
  return JSON.parse(
    text,
    (_, value) =>
      typeof value?.skus === "number" ? Array.from({ length: value.skus }, (_, i) => [`S${i}`, 1]) : value,
  );
}

/** A plain sale has no array of its own. */
function positionsOf(command: unknown): unknown[] {
  return Array.isArray(command) && command[0] === "sell_one" ? command.slice(1) : [command];
}

/** What is new, other or gone; of many fields of a key their number. */
function changesOf(before: Contents, after: Contents): string[] {
  const changed = [...after].filter(([field, value]) => before.get(field) !== value)
    .map(([field, value]) => [field, `${field} = ${value}`] as const);
  const gone = [...before.keys()].filter((field) => !after.has(field))
    .map((field) => [field, `${field} is gone`] as const);
  return [...few(changed, "changed"), ...few(gone, "gone")];
}

function few(lines: (readonly [field: string, line: string])[], how: string): string[] {
  return [...Map.groupBy(lines, ([field]) => field.split(" ")[0])].flatMap(([key, of]) =>
    of.length > shownMax ? [`${key}: ${of.length} ${how}`] : of.map(([, line]) => line)
  );
}

/** Words between spaces; one with spaces is a text of JSON. */
function wordsOf(line: string): string[] {
  return (line.match(/"(?:\\.|[^"\\])*"(?= |$)|\S+/g) ?? [])
    .map((word) => word.startsWith('"') ? JSON.parse(word) : word);
}

/** Without control characters. */
const escaped = (text: string) => JSON.stringify(text).slice(1, -1);

/** Members of objects, also of those in texts, in one order: Lua's is another in each server. */
function sorted(text: string): string {
  const ordered = (_: string, value: unknown): unknown => {
    if (typeof value === "string" && value.endsWith("}")) return sorted(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
  };
  return text.replace(/[[{].*$/, (json) => JSON.stringify(JSON.parse(json, ordered)));
}

/** A line for the call, and one for each command. */
function repliesOf(reply: string): string[] {
  if (!/^[[{]/.test(reply)) return [reply];
  const [first, second] = JSON.parse(sorted(reply.replace(/^\{.*/, "[0]")));
  if (first !== "decided") {
    const isNames = Array.isArray(second) && second.every((name) => typeof name === "string");
    return [isNames && first === "0" ? JSON.stringify([first, second.sort()]) : sorted(reply)];
  }
  const [, nowMs, head, replies, replicas, disk, due, settings] = JSON.parse(sorted(reply));
  const others = replicas + disk + due > 0 || settings !== ""
    ? ` replicas ${replicas} disk ${disk} due ${due} settings "${settings}"`
    : "";
  const texts = replies.map((one: unknown) => JSON.stringify(one));
  const kinds = Map.groupBy(texts, (text: string) => text.split(/\W/)[2] ?? "sold");
  const shown = texts.length > shownMax ? [...kinds].map(([kind, all]) => `${all.length} ${kind}`) : texts;
  return [`${nowMs} head ${head}${others}`, ...shown];
}

/** Plays a transcript; the result is equal to it when the scripts do what it says. */
export async function play(text: string, stage: Stage): Promise<string> {
  const parts = text.split(/^(?=== )/m);
  const played: string[] = [];
  for (const [index, part] of parts.entries()) {
    const lines = part.split("\n").filter((line) => !line.startsWith("  "));
    played.push((await new Play(stage, index).all(lines)).join("\n"));
  }
  return played.join("");
}
