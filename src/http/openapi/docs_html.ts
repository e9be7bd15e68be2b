/**
 * The OpenAPI document as HTML. All of its texts are escaped.
 *
 * @module
 */
import type { Part, Schema } from "../schemas/schema.ts";

interface Media {
  readonly schema?: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Reply {
  readonly description: string;
  readonly headers?: Part;
  readonly content: Readonly<Record<string, Media>>;
}

interface Endpoint {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly security: readonly { readonly bearer?: readonly string[] }[];
  readonly parameters?: readonly { readonly $ref: string }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Reply>>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description: string;
  readonly schema: Schema;
}

interface Document {
  readonly info: { readonly title: string; readonly summary: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Endpoint>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
  };
}

type Entry = readonly [method: string, path: string, endpoint: Endpoint];

/** Renders the page. */
export function renderPage(document: Part, style: string): string {
  return new Page(document as unknown as Document).render(style);
}

class Page {
  readonly #document: Document;
  readonly #entries: readonly Entry[];

  constructor(document: Document) {
    this.#document = document;
    this.#entries = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, endpoint]) => [method.toUpperCase(), path, endpoint] as const)
    );
  }

  render(style: string): string {
    const { info, tags } = this.#document;
    return [
      `<!doctype html><html lang="en"><head><meta charset="utf-8">`,
      `<meta name="viewport" content="width=device-width, initial-scale=1">`,
      `<title>${escape(info.title)} API</title><style>${style}</style></head><body>`,
      `<header><h1>${escape(info.title)} API</h1><p>${escape(info.summary)}</p>`,
      ...info.description.split("\n\n").map((text) => `<p>${prose(text)}</p>`),
      `<p>For machines: <a href="/openapi.json">openapi.json</a></p></header>`,
      `<nav aria-label="Operations">${
        table(["", "Path", "What it does"], this.#entries.map(contentsRow))
      }</nav>`,
      `<main>`,
      ...tags.map((tag) => this.#section(tag)),
      this.#schemas(),
      `</main></body></html>`,
    ].join("\n");
  }

  #section({ name, description }: { readonly name: string; readonly description: string }): string {
    const entries = this.#entries.filter(([, , { tags }]) => tags.includes(name));
    const endpoints = entries.map((entry) => this.#endpoint(entry));
    return `<section><h2>${escape(name)}</h2><p>${prose(description)}</p>${endpoints.join("\n")}</section>`;
  }

  #endpoint([method, path, endpoint]: Entry): string {
    const { operationId, summary, description, requestBody, responses, security } = endpoint;
    const scope = security[0]?.bearer?.[0];
    return [
      `<article><h3 id="${escape(operationId)}">`,
      `<span class="method">${method}</span> <code>${escape(path)}</code></h3>`,
      `<p><strong>${prose(summary)}.</strong> ${prose(description)}</p>`,
      `<p>${scope === undefined ? "Open to all." : `Takes a token with the scope ${code(scope)}.`}</p>`,
      this.#parameters(endpoint),
      requestBody === undefined ? "" : body(requestBody),
      `<h4>Answers</h4>`,
      ...Object.entries(responses).map(([status, reply]) => answer(status, reply)),
      `</article>`,
    ].join("\n");
  }

  #parameters({ parameters = [] }: Endpoint): string {
    const rows = parameters.flatMap(({ $ref }) => {
      const parameter = this.#document.components.parameters[$ref.split("/").at(-1) ?? ""];
      if (parameter === undefined) return [];
      const where = `${parameter.in}${parameter.required ? "" : ", optional"}`;
      return [[code(parameter.name), escape(where), prose(parameter.description)]];
    });
    return rows.length === 0 ? "" : table(["Parameter", "Where", "Meaning"], rows);
  }

  #schemas(): string {
    const { schemas } = this.#document.components;
    const entries = Object.entries(schemas).map(([name, schema]) =>
      `<details id="schema-${escape(name)}"><summary>${code(name)}</summary>` +
      `<p>${prose(schema.description ?? "")}</p>${members(schema)}</details>`
    );
    return `<section><h2>Schemas</h2>${entries.join("\n")}</section>`;
  }
}

function contentsRow([method, path, { operationId, summary }]: Entry): readonly string[] {
  const link = `<a href="#${escape(operationId)}"><code>${escape(path)}</code></a>`;
  return [`<span class="method">${method}</span>`, link, prose(summary)];
}

function body({ required, content }: NonNullable<Endpoint["requestBody"]>): string {
  const parts = Object.entries(content).map(([type, media]) =>
    `<p>${code(type)}${required ? "" : ", may be left out"}: ${schemaText(media.schema)}</p>${samples(media)}`
  );
  return `<h4>Body</h4>${parts.join("")}`;
}

function answer(status: string, { description, headers = {}, content }: Reply): string {
  const names = Object.keys(headers);
  const headerLine = names.length === 0 ? "" : `<p>Headers: ${names.map(code).join(", ")}</p>`;
  const parts = Object.entries(content).map(([type, media]) =>
    `<p>${code(type)}: ${schemaText(media.schema)}</p>${samples(media)}`
  );
  const summary = `<summary><strong>${escape(status)}</strong> ${prose(description)}</summary>`;
  return `<details>${summary}${headerLine}${parts.join("")}</details>`;
}

function samples({ example, examples = {} }: Media): string {
  const values = example === undefined ? Object.values(examples).map(({ value }) => value) : [example];
  return values.map((value) => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`).join("");
}

function members({ properties, required = [] }: Schema): string {
  if (properties === undefined) return "";
  const rows = Object.entries(properties).map(([name, schema]) => [
    code(name),
    `${schemaText(schema)}${required.includes(name) ? "" : ", optional"}`,
    prose(schema.description ?? ""),
  ]);
  return table(["Member", "Type", "Meaning"], rows);
}

/** A schema as a short text. */
function schemaText(schema: Schema | undefined): string {
  if (schema === undefined) return "anything";
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return `<a href="#schema-${escape(name)}">${escape(name)}</a>`;
  }
  if (schema.oneOf !== undefined) return schema.oneOf.map(schemaText).join(" or ");
  if ("const" in schema) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(JSON.stringify(value))).join(", ");
  if (schema.items !== undefined) return `list of ${schemaText(schema.items)}${range(schema)}`;
  return `${escape([schema.type ?? "anything"].flat().join(" or "))}${range(schema)}`;
}

function range(schema: Schema): string {
  const from = schema.minimum ?? schema.minItems ?? schema.minLength;
  const to = schema.maximum ?? schema.maxItems ?? schema.maxLength;
  if (to === undefined || to === Number.MAX_SAFE_INTEGER) return from === undefined ? "" : `, from ${from}`;
  return `, ${from ?? 0} to ${to.toLocaleString("en")}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${text}</${tag}>`).join("");
  const lines = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("");
  return `<div class="wide"><table><thead><tr>${
    cells("th", head)
  }</tr></thead><tbody>${lines}</tbody></table></div>`;
}

function code(text: string): string {
  return `<code>${escape(text)}</code>`;
}

/** Converts text between backticks to code. */
function prose(text: string): string {
  return escape(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}
