export * from "./agent.ts";
export * from "./inbox.ts";
export * from "./outbox.ts";
export * from "./people.ts";
export * from "./record.ts";
export * from "./routing.ts";
