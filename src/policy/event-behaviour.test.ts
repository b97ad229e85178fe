import { describe, expect, it } from "vitest";
import type { MessageContent, MessageType, WebhookEvent } from "../domain/event.ts";
import type { Wamid } from "../domain/ids.ts";
import { type Behaviour, behaviourOf, isHandedToUs, MESSAGE_BEHAVIOUR } from "./event-behaviour.ts";

const base = { route: {}, key: "k", at: new Date("2026-11-22T12:00:00Z"), raw: {} };
const message = (content: MessageContent, groupId?: string): WebhookEvent => ({
  ...base,
  kind: "message",
  wamid: "wamid.1" as Wamid,
  from: { waId: "972500000000" },
  content,
  groupId,
});
const target = "wamid.0" as Wamid;

const SAID: Behaviour = { seq: true, fence: false, due: "burst", window: true };
const TAPPED: Behaviour = { seq: true, fence: false, due: "now", window: true };
const NOTED: Behaviour = { seq: false, fence: false, due: "never", window: false };
const FENCED: Behaviour = { seq: true, fence: true, due: "never", window: false };

describe("every kind of message", () => {
  const media = { mediaId: "1" };
  const rows: [content: MessageContent, then: Behaviour][] = [
    [{ type: "text", text: "Hi" }, SAID],
    [{ type: "image", ...media }, SAID],
    [{ type: "video", ...media }, SAID],
    [{ type: "audio", ...media }, SAID],
    [{ type: "document", ...media }, SAID],
    [{ type: "sticker", ...media }, SAID],
    [{ type: "location", latitude: 0, longitude: 0 }, SAID],
    [{ type: "contacts", names: [], phones: [], isAnswerToRequest: false }, SAID],
    [{ type: "order", items: [] }, SAID],
    [{ type: "flow-reply", response: {} }, SAID],
    [{ type: "unsupported", name: "poll" }, SAID],
    [{ type: "button", text: "Yes", payload: "yes" }, TAPPED],
    [{ type: "button-reply", id: "yes", title: "Yes" }, TAPPED],
    [{ type: "list-reply", id: "ficus", title: "Ficus" }, TAPPED],
    [
      { type: "call-permission", isAccepted: true },
      { ...SAID, due: "never" },
    ],
    [
      { type: "edit", target, content: { type: "text", text: "Hi" } },
      { ...FENCED, fence: false },
    ],
    [{ type: "revoke", target }, FENCED],
    [{ type: "reaction", target, emoji: "👍" }, NOTED],
    [{ type: "system", change: "user_changed_number", previous: {}, current: {} }, NOTED],
    [{ type: "request-welcome" }, NOTED],
  ];
  it.each(rows.map(([content, then]) => [content.type, content, then] as const))("%s", (_type, content, then) => {
    expect(behaviourOf(message(content))).toEqual(then);
  });

  it("has a row here and in the table", () => {
    expect(rows.map(([content]) => content.type).sort()).toEqual(Object.keys(MESSAGE_BEHAVIOUR).sort());
  });

  it("reactions, system events, edits and revokes never open a window and wake nobody", () => {
    for (const type of ["reaction", "system", "edit", "revoke", "request-welcome"] satisfies MessageType[])
      expect(MESSAGE_BEHAVIOUR[type]).toMatchObject({ due: "never", window: false });
  });

  it("what opens a window, or wakes the agent, is numbered, so that it overtakes a draft", () => {
    for (const behaviour of Object.values(MESSAGE_BEHAVIOUR))
      if (behaviour.window || behaviour.due !== "never" || behaviour.fence) expect(behaviour.seq).toBe(true);
  });

  it("a message in a group is nobody's conversation", () => {
    expect(behaviourOf(message({ type: "text", text: "Hi" }, "group-1"))).toEqual(NOTED);
    expect(behaviourOf(message({ type: "revoke", target }, "group-1"))).toEqual(NOTED);
  });
});

describe("every other event", () => {
  const person = { waId: "972500000000" };
  const handover = (newOwner: string | undefined): WebhookEvent => ({
    ...base,
    kind: "handover",
    with: person,
    newOwner,
  });
  const other = (
    kind: "call" | "history" | "automatic" | "group" | "contact-sync" | "value-errors" | "user-action" | "unsupported",
    opensWindow?: boolean,
  ): WebhookEvent => ({ ...base, kind, name: kind, opensWindow });
  const rows: [what: string, event: WebhookEvent, then: Behaviour][] = [
    ["a person answering from the business's phone fences", { ...base, kind: "echo", wamid: target, to: person, content: { type: "text", text: "Hi" } }, FENCED],
    ["a chat handed to somebody else fences", handover("human_agent"), FENCED],
    ["a chat handed to nobody we know fences", handover(undefined), FENCED],
    ["a chat handed to us is noted", handover("primary"), NOTED],
    ["a preference at Meta is a command, at once, and opens no window", { ...base, kind: "preference", from: person, category: "marketing_messages", value: "stop" }, { seq: true, fence: true, due: "now", window: false }],
    ["a customer's call opens the window and wakes nobody", other("call", true), { ...NOTED, window: true }],
    ["a call of ours opens nothing", other("call", false), NOTED],
    ["history opens nothing", other("history", true), NOTED],
    ["a copy for standby opens nothing", { ...base, kind: "standby", of: "message", with: person }, NOTED],
    ["a status is noted", { ...base, kind: "status", wamid: target, status: "read", statusName: "read", recipient: person, isGroup: false, errorCodes: [] }, NOTED],
    ["a template event is noted", { ...base, kind: "template", change: "status", name: "news", language: "en" }, NOTED],
    ["an account event is noted", { ...base, kind: "account", event: "DISABLED_UPDATE", restrictions: [], detail: {} }, NOTED],
    ["a group event is noted", other("group"), NOTED],
    ["a field that Meta adds tomorrow is noted", other("unsupported", true), NOTED],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_what, event, then) => {
    expect(behaviourOf(event)).toEqual(then);
  });

  it.each([
    ["primary", true],
    ["app", true],
    ["partner", true],
    ["business_app_api", true],
    ["human_agent", false],
    ["meta_ai", false],
    [undefined, false],
  ])("control with %s is ours: %s", (owner, then) => {
    expect(isHandedToUs(owner)).toBe(then);
  });
});
