/**
 * Schemas of objects and lists, see `schema.ts`. They report all errors inside them, within limits.
 *
 * @module
 */
import {
  type Check,
  check,
  type FieldError,
  type Part,
  type Schema,
  type Schemas,
  type StaticMembers,
} from "./schema.ts";

/** Errors of a request after which its lists are not checked further, so that the response stays small. */
const errorsMax = 100;
/** Unknown members that one response names, because a body can have 100,000 of them. */
const unknownNamedMax = 20;
/** Characters of a name that a response repeats, because a name can be as long as the body. */
const nameCharsMax = 64;

/** Options of an object's schema. */
export interface ObjectOptions {
  /** Other spellings of members, mapped to the documented names. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Errors of the members in combination. It also runs when a member is wrong or missing. */
  readonly refine?: (body: Part) => readonly FieldError[];
}

interface Member {
  readonly name: string;
  /** JSON pointer to it within the object. */
  readonly pointer: string;
  /** Other spellings of it. */
  readonly aliases: readonly string[];
  readonly isRequired: boolean;
  readonly check: Check | undefined;
}

/** An object: all members are required, except those of `optional`; other members are refused. */
export function object<R extends Schemas, O extends Schemas = Record<never, never>>(
  required: R,
  optional?: O,
  options: ObjectOptions = {},
): Schema<StaticMembers<R> & Partial<StaticMembers<O>>> {
  const properties: Schemas = { ...required, ...optional };
  const aliases = Object.entries(options.aliases ?? {});
  const members = Object.entries(properties).map(([name, schema]): Member => ({
    name,
    pointer: `/${name}`,
    aliases: aliases.filter(([, of]) => of === name).map(([alias]) => alias),
    isRequired: Object.hasOwn(required, name),
    check: schema[check],
  }));
  return {
    type: "object",
    properties,
    required: Object.keys(required),
    additionalProperties: false,
    [check]: objectCheck(members, options.refine),
  };
}

function objectCheck(members: readonly Member[], refine: ObjectOptions["refine"]): Check {
  const known = new Set(members.flatMap(({ name, aliases }) => [name, ...aliases]));
  return (value, pointer, errors) => {
    if (!isObject(value)) return "must be an object";
    let found = 0;
    for (const member of members) {
      let used = value[member.name] === undefined ? undefined : member.name;
      if (used !== undefined) found++;
      for (const alias of member.aliases) {
        if (value[alias] === undefined) continue;
        found++;
        if (used === undefined) used = alias;
        else errors.push(wrong(pointer, alias, `is ${used} in another spelling: send one of them`));
      }
      if (used === undefined) {
        if (member.isRequired) errors.push(wrong(pointer, member.name, "is missing"));
        continue;
      }
      // Pointers that were made anew for every member took a sixth of the check of a deduct.
      const inside = pointer + (used === member.name ? member.pointer : `/${used}`);
      const broken = member.check?.(value[used], inside, errors);
      if (broken !== undefined) errors.push(wrong(pointer, used, broken));
    }
    if (refine !== undefined) {
      for (const broken of refine(value)) {
        errors.push({ pointer: pointer + broken.pointer, detail: broken.detail });
      }
    }
    let count = 0;
    for (const _ in value) count++;
    if (count !== found) nameUnknown(value, known, pointer, errors);
    return undefined;
  };
}

/** A list of `min` to `max` elements. `refine` returns the errors of the elements in combination. */
export function list<T>(
  items: Schema<T>,
  min: number,
  max: number,
  refine: (elements: readonly unknown[]) => readonly string[] = () => [],
): Schema<readonly T[]> {
  const inner = items[check];
  return {
    type: "array",
    items,
    minItems: min,
    maxItems: max,
    [check]: (value, pointer, errors) => {
      if (!Array.isArray(value) || value.length < min || value.length > max) {
        return `must be a list of ${min} to ${max}`;
      }
      if (inner === undefined) return undefined;
      const read = checkElements(value, inner, pointer, errors);
      for (const detail of refine(read)) errors.push({ pointer, detail });
      return undefined;
    },
  };
}

/** Returns the elements that were checked. */
function checkElements(
  list: readonly unknown[],
  inner: Check,
  pointer: string,
  errors: FieldError[],
): readonly unknown[] {
  for (const [i, element] of list.entries()) {
    if (errors.length >= errorsMax) {
      errors.push({ pointer, detail: `was not read from the element ${i} on` });
      return list.slice(0, i);
    }
    const inside = `${pointer}/${i}`;
    const broken = inner(element, inside, errors);
    if (broken !== undefined) errors.push({ pointer: inside, detail: broken });
  }
  return list;
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nameUnknown(body: Part, known: ReadonlySet<string>, pointer: string, errors: FieldError[]): void {
  const unknown = Object.keys(body).filter((name) => !known.has(name));
  for (const name of unknown.slice(0, unknownNamedMax)) {
    if (name.length <= nameCharsMax) errors.push(wrong(pointer, name, "is not a member of this request"));
    else {
      errors.push({
        pointer,
        detail: `a member with a name of ${name.length} characters is not known`,
      });
    }
  }
  const unnamed = unknown.length - unknownNamedMax;
  if (unnamed > 0) errors.push({ pointer, detail: `${unnamed} more members are not known` });
}

function wrong(pointer: string, name: string, detail: string): FieldError {
  return { pointer: `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, detail };
}
