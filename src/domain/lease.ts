/** A lease outlives two missed heartbeats; after it, another worker takes over. One number for turns and for senders. */
export const LEASE_MS = 6000;
export const HEARTBEAT_MS = 2000;

/** Failures of one batch before it is a dead letter; so are crashes that come with it, from the third. */
export const MAX_ATTEMPTS = 5;
