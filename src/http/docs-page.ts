import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { ApiDocument } from "./openapi.ts";

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1f23; background: #fff; }
h2 { margin-top: 2.5rem; border-top: 1px solid #d5d9de; padding-top: 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
h2 code { font-size: 20px; font-weight: 600; }
pre { background: #f3f5f7; padding: .75rem; overflow-x: auto; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin-left: 1.25rem; }
`;

/** No script, no other host: the policy allows this page's own style and nothing else. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

type Html = ReturnType<typeof html>;
type Media = Record<
  string,
  { schema?: { $ref?: string }; examples?: Record<string, { summary?: string; value?: unknown }> }
>;
type Operation = {
  operationId?: string;
  summary?: string;
  description?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; description?: string }[];
  requestBody?: { description?: string; content: Media };
  responses: Record<string, { description: string; content?: Media }>;
};

/** The API's reference for people: one page made of the OpenAPI document, and the policy to serve it under. */
export function docsPage(document: ApiDocument): { html: Html; policy: string } {
  const base = document.servers?.[0]?.url ?? "";
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${document.info.title} API</title><style>${raw(STYLE)}</style></head>
<body>
<h1>${document.info.title} API</h1>
<p>${document.info.description}</p>
<p>For programs: <a href="${base}/openapi.json">${base}/openapi.json</a></p>
${operations(document).map(([method, path, operation]) => operationSection(method, `${base}${path}`, operation))}
<h2>Shapes</h2>
${Object.entries(document.components.schemas ?? {}).map(([name, schema]) => html`<h3 id="${name}">${name}</h3>${block(schema)}`)}
</body>
</html>`;
  return { html: page, policy: POLICY };
}

/** Every operation of the document, in its order. */
export function operations(document: ApiDocument): [method: string, path: string, operation: Operation][] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, string, Operation] => [
      method.toUpperCase(),
      path,
      operation as unknown as Operation,
    ]),
  );
}

function operationSection(method: string, path: string, operation: Operation): Html {
  const needs = operation.security?.flatMap((scheme) => Object.values(scheme).flat()) ?? [];
  return html`<h2 id="${operation.operationId}"><code>${method} ${path}</code></h2>
<p>${prose(operation.summary)}. ${prose(operation.description)}</p>
${needs.length > 0 ? html`<p>Needs a key (<code>Authorization: Bearer esek_...</code>) with the scope <code>${needs.join(" ")}</code>.</p>` : ""}
${operation.parameters?.map((entry) => html`<p><code>${entry.name}</code> (${entry.in}): ${prose(entry.description)}</p>`)}
${operation.requestBody ? html`<h3>Body</h3><p>${operation.requestBody.description}</p>${media(operation.requestBody.content)}` : ""}
<h3>Answers</h3>
<dl>${Object.entries(operation.responses).map(([status, answer]) => html`<dt>${status}</dt><dd>${prose(answer.description)}${media(answer.content ?? {})}</dd>`)}</dl>`;
}

function media(content: Media): Html {
  return html`${Object.entries(content).map(
    ([type, { schema, examples = {} }]) =>
      html`<p><code>${type}</code>${shapeLink(schema?.$ref?.split("/").at(-1))}</p>${Object.entries(examples).map(([name, example]) => html`<p>${example.summary ?? name}</p>${block(example.value)}`)}`,
  )}`;
}

function shapeLink(name: string | undefined): Html | string {
  return name ? html` of the shape <a href="#${name}">${name}</a>` : "";
}

/** Text with `code` in it. */
function prose(text: string | undefined): (Html | string)[] {
  return (text ?? "").split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
}

function block(value: unknown): Html {
  return html`<pre>${JSON.stringify(value, null, 2)}</pre>`;
}
