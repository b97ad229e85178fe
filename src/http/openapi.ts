import type { Hono } from "hono";
import { describeRoute, generateSpecs } from "hono-openapi";
import { docsPage } from "./docs-page.ts";

export type ApiDocument = Awaited<ReturnType<typeof generateSpecs>>;

/**
 * `GET /openapi.json` and `GET /docs` of this API, open to everybody: they say what the code says and hold nothing of any
 * merchant. Call it after the last route; a route without `describeRoute` is missing from both.
 */
export function addDocs(api: Hono): void {
  let document: Promise<ApiDocument> | undefined;
  const described = () => (document ??= generateSpecs(api, OPTIONS));
  api.get(
    "/openapi.json",
    describeRoute({
      operationId: "openapi",
      summary: "This description, OpenAPI 3.1",
      responses: { 200: { description: "The document.", content: { "application/json": {} } } },
    }),
    async (c) => c.json(await described()),
  );
  api.get(
    "/docs",
    describeRoute({
      operationId: "docs",
      summary: "This description for people",
      responses: { 200: { description: "One page of HTML, no scripts.", content: { "text/html": {} } } },
    }),
    async (c) => {
      const { html, policy } = docsPage(await described());
      return c.html(html, 200, { "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff" });
    },
  );
}

const OPTIONS = {
  // Off: it would take /openapi.json for a static file, and describe a 400 that echoes what was submitted.
  excludeStaticFile: false,
  defaultValidationErrorResponse: false,
  documentation: {
    info: {
      title: "Esek",
      version: "1",
      description:
        "The business API. Errors are problem+json (RFC 9457) with codes and paths, never a submitted value.",
    },
    servers: [{ url: "/api/v1" }],
    components: {
      securitySchemes: {
        apiKey: {
          type: "http" as const,
          scheme: "bearer",
          description: "`esek apikey create --merchant SLUG --name NAME` makes a key; it is shown once.",
        },
      },
    },
  },
};
