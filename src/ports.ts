import type { ConsentAct, ConsentEvent, ConsentSource, SuppressionScope } from "./domain/consent.ts";
import type { AgentTrace, Author, Content, Draft, Purpose, Summary, Usage } from "./domain/draft.ts";
import type { AccountEvent, MessageContent, StatusEvent, TemplateEvent, WebhookEvent } from "./domain/event.ts";
import type {
  AttemptId,
  ContactId,
  ConversationId,
  EventId,
  LeaseToken,
  MerchantId,
  OutboxId,
  PhoneId,
  TurnId,
  Wamid,
} from "./domain/ids.ts";
import type { IntentMatch } from "./domain/intent.ts";
import type { MerchantConfig } from "./domain/merchant.ts";
import type { NoticeLine } from "./domain/notice.ts";
import type { Verdict } from "./domain/verdict.ts";
import type { KnowledgeAnswer, Passage } from "./knowledge/answer.ts";
import type { Spend } from "./policy/budget.ts";
import type { Attempt, News, StatusEffect } from "./policy/delivery.ts";
import type { Behaviour } from "./policy/event-behaviour.ts";
import type { Cleared, GateDecision, Outbound, OutboundFacts } from "./policy/outbound-gate.ts";
import type { OutboxReason, TurnReason } from "./policy/reasons.ts";
import type { RowFacts, SendingPlan } from "./policy/sending.ts";

/** What the path needs from the world. A method is one transaction; a decision under a lock is handed in as a function. */
export type Ports = {
  clock: Clock;
  webhook: WebhookPort;
  inbox: InboxPort;
  mailbox: MailboxPort;
  outbox: OutboxPort;
  guard: GuardPort;
  agent: AgentPort;
  graph: GraphPort;
  sentences: SentencesPort;
  render: RenderPort;
};

/** Business time: windows, quiet hours, caps, consent. The simulator moves it; leases and back-off never use it. */
export type Clock = { now: () => Date };

// receive

export type WebhookPort = {
  isAuthentic: (body: Uint8Array, signature: string | undefined) => boolean;
  parse: (
    body: Uint8Array,
    receivedAt: Date,
  ) => { type: "events"; events: WebhookEvent[] } | { type: "unparsable"; expected: string };
};

/** An event with what must be known before the 200: how it behaves, and whether it may be a command (STOP and its kin). */
export type Incoming = { event: WebhookEvent; behaviour: Behaviour; isCommand: boolean };

/** What the lock holder knows of an attempt when its status comes; the answer is carried out in the same transaction. */
export type DecideStatus = (attempt: Attempt, status: StatusEvent, now: Date) => StatusEffect;

export type Kept = { kept: number; duplicates: number; unrouted: number };

export type InboxPort = {
  /** Durable when it resolves. Rejects with `EsekError("inbox/full")` when too much is waiting already. */
  keep: (incoming: Incoming[], receivedAt: Date, decide: DecideStatus) => Promise<Kept>;
  keepUnparsable: (body: Uint8Array, receivedAt: Date) => Promise<void>;
};

// takeTurn

export type Claim = {
  conversationId: ConversationId;
  merchantId: MerchantId;
  phoneId: PhoneId;
  contactId: ContactId;
  token: LeaseToken;
  lastSeq: number;
  handledSeq: number;
  supersedes: number;
  attempts: number;
};

/** One thing the customer (or a person of the business) did, as the turn sees it. */
export type TurnEvent = {
  id: EventId;
  seq: number;
  at: Date;
  receivedAt: Date;
  wamid: Wamid | undefined;
  event:
    | { kind: "message"; content: MessageContent; replyToTemplate?: { category: string } }
    | { kind: "preference"; value: string }
    | { kind: "echo" }
    | { kind: "handover" };
  isReplay: boolean;
};

export type HistoryEntry = { who: "customer" | "business"; text: string; at: Date };

export type HeldAnswer = {
  id: string;
  turnId: TurnId;
  createdAt: Date;
  agentVersion: string;
  isTextKept: boolean;
  questions: EventId[];
  questionTexts: string[];
};

export type TurnFacts = {
  now: Date;
  turnId: TurnId;
  phoneId: PhoneId;
  merchant: { id: MerchantId; config: MerchantConfig; version: string };
  wabaId: string;
  contact: { id: ContactId; language: string | undefined; name: string | undefined; isDisclosed: boolean };
  events: TurnEvent[];
  history: HistoryEntry[];
  /** What was said before `history`, once a conversation is too long to be read whole. */
  summary: Summary | undefined;
  /** What was spent today on this person and this merchant. */
  spend: Spend;
  lastBusinessInitiated: { purpose: Purpose; at: Date } | undefined;
  /** The newest message to this person was a marketing template: a weak stop word then means a stop. */
  isLastSentMarketing: boolean;
  /** The person ordered from the catalogue lately: "cancel" then speaks of the order. */
  isOrderOpen: boolean;
  /** Every consent line of the person at this WABA. */
  ledger: readonly ConsentEvent[];
  lastOptions: readonly string[];
  isAnswerLaterAsked: boolean;
  held: HeldAnswer | undefined;
  /** The last held answer was released already: another tap on it asks for nothing. */
  isHeldReleased: boolean;
  deadLetterSince: Date | undefined;
  humanSince: Date | undefined;
  isHandoffNoticed: boolean;
  outbound: OutboundFacts;
};

/** A line for the ledger; `sourceKey` makes it unique per event, so a retaken turn writes it once. */
export type ConsentLine = {
  act: ConsentAct;
  scope: SuppressionScope;
  source: ConsentSource;
  at: Date;
  sourceKey: string;
  rule?: string;
  language?: string;
};

/** A message on its way to the outbox, with the gate's word as of now. */
export type OutboxLine = {
  id: OutboxId;
  dedupeKey: string;
  part: number;
  message: Outbound;
  reason: TurnReason;
  decision: GateDecision;
  replyTo?: EventId;
  discloses: boolean;
};

export type TurnRecord = {
  step: string;
  type: string;
  reason: TurnReason | OutboxReason;
  facts: unknown;
  verdicts: Verdict[];
  usage?: Usage;
  latencyMs: number;
};

export type TurnEffects = {
  records: TurnRecord[];
  outbox: OutboxLine[];
  consent: ConsentLine[];
  notices: NoticeLine[];
  /** Cancel queued rows: everything the business starts, or the agent's own as well. */
  cancel?: { scope: "marketing" | "all" | "agent"; reason: OutboxReason };
  humanMode?: "take" | "return";
  language?: string;
  closeHeld?: { id: string; state: "released" | "superseded" };
  dataRequest?: { sourceKey: string };
  summary?: Summary;
  /** A draft's use of the model, for the day's budgets. */
  spent?: Usage;
  /** The batch itself is a dead letter: its events leave the conversation's history. */
  isDead?: boolean;
};

export type CommitResult = "committed" | "superseded" | "lost";

export type MailboxPort = {
  facts: (claim: Claim) => Promise<TurnFacts>;
  /** Commits STOP, START and hand-off on their own, by the token alone; fresh facts come from `facts` afterwards. */
  commitCommands: (claim: Claim, facts: TurnFacts, effects: TurnEffects) => Promise<"committed" | "lost">;
  /** The fence and the supersede check are one predicate on the mailbox row. */
  commitTurn: (claim: Claim, facts: TurnFacts, effects: TurnEffects) => Promise<CommitResult>;
  /** Gives the conversation back because a newer message came while the model was thinking. */
  release: (claim: Claim) => Promise<CommitResult>;
  /** Gives the conversation back after a failure, with back-off; from the fifth failure the batch is a dead letter. */
  fail: (claim: Claim, errorCode: string) => Promise<"backed-off" | "dead">;
  bury: (claim: Claim, facts: TurnFacts, effects: TurnEffects) => Promise<CommitResult>;
  /** The last resort for a batch that cannot even be read: out of the queue, and the merchant is told. */
  buryUnread: (claim: Claim) => Promise<void>;
};

// deliver

export type DueRow = { outboxId: OutboxId; merchantId: MerchantId; phoneId: PhoneId };

export type Marked =
  | {
      type: "sending";
      attemptId: AttemptId;
      cleared: Cleared;
      content: Content;
      recipient: Recipient;
      phoneNumberId: string;
      merchantId: MerchantId;
    }
  | { type: "not-now"; reason: OutboxReason | "gone" };

export type Recipient = { waId?: string; bsuid?: string };

/** What became of a POST. `unknown`: it may have been accepted, and nobody knows. */
export type SendOutcome =
  | { type: "accepted"; wamid: Wamid }
  | { type: "refused"; code: number; isTransient: boolean }
  | { type: "not-sent"; code: string }
  | { type: "unknown"; code: string };

export type OutboxPort = {
  /** Called when a delivery threw: the row comes back later, and is given up with a notice after enough tries. */
  setAside: (row: DueRow) => Promise<void>;
  /** `settleOpen` decides about an attempt that its sender never recorded. */
  markSending: (
    row: DueRow,
    decide: (facts: RowFacts) => SendingPlan,
    settleOpen: (attempt: Attempt, news: News, now: Date) => StatusEffect,
  ) => Promise<Marked>;
  recordOutcome: (
    marked: Extract<Marked, { type: "sending" }>,
    outcome: SendOutcome,
    decide: (attempt: Attempt, now: Date) => StatusEffect,
  ) => Promise<void>;
};

export type GraphPort = {
  /** Takes only what the gate cleared. Never throws: every ending is an outcome. */
  send: (cleared: Cleared, message: Extract<Marked, { type: "sending" }>) => Promise<SendOutcome>;
  /** Read receipt and typing; best effort, never awaited by a decision. */
  markRead: (merchantId: MerchantId, phoneId: PhoneId, wamid: Wamid) => void;
};

// understanding and speaking

export type MatchContext = {
  lastMarketingAt: boolean;
  isOrderOpen: boolean;
  areOptionsOffered: boolean;
  country: string | undefined;
  languages: readonly string[];
};

export type GuardPort = {
  /** Every intent of a text, strongest first; local, synchronous, no model and no language guess can veto it. */
  intents: (text: string, context: MatchContext) => IntentMatch[];
  isPossibleCommand: (text: string) => boolean;
  /** The language of a text; `hints` break ties and settle short texts. Never decides whether a STOP is honoured. */
  language: (text: string, hints: readonly string[]) => string | undefined;
  check: (text: string, direction: "inbound" | "outbound") => Promise<Verdict>;
};

export type AgentRequest = {
  merchant: TurnFacts["merchant"];
  turnId: TurnId;
  language: string;
  customerName: string | undefined;
  history: HistoryEntry[];
  question: string;
  notes: string[];
  /** What came before `history`. */
  summary: Summary | undefined;
  /** Over budget, or a loop: the merchant's own documents answer, no model is called. */
  isModelAllowed: boolean;
};

export type Drafted = { draft: Draft; usage: Usage | undefined; trace?: AgentTrace; summary?: Summary };

export type AgentPort = {
  version: (merchant: TurnFacts["merchant"]) => string;
  /** Tries again by itself and falls back to the merchant's documents; rejects with `EsekError("agent/...")` when nothing can be said. */
  draft: (request: AgentRequest, signal: AbortSignal) => Promise<Drafted>;
};

/** The merchant's own documents. */
export type KnowledgePort = {
  /** The passages that are most about a question, best first. */
  passages: (merchantId: MerchantId, question: string, language: string, limit: number) => Promise<Passage[]>;
  /** An answer in the documents' own words, or none. */
  answer: (merchantId: MerchantId, question: string, language: string) => Promise<KnowledgeAnswer>;
};

export type SentenceKey = string;
export type SentencesPort = { say: (key: SentenceKey, language: string, values?: Record<string, string>) => string };

/** Turns a draft into WhatsApp messages: Markdown to WhatsApp's own marks, Meta's lengths, one message unless it must split. */
export type RenderPort = { messages: (draft: Extract<Draft, { type: "answer" }>) => Content[] };

// the workers' side of the leases

export type SenderLease = { phoneId: PhoneId; merchantId: MerchantId; token: string; mps: number };

export type SendSource = {
  /** Numbers with due rows whose sender's lease is free. */
  claimSenders: (limit: number) => Promise<SenderLease[]>;
  /** Which leases still hold, each with the messages its number received lately, per second: Meta counts both directions together. */
  extend: (leases: readonly SenderLease[]) => Promise<ReadonlyMap<string, number>>;
  release: (leases: readonly SenderLease[]) => Promise<void>;
  /** Heads of lanes and business-initiated rows that are due now. */
  dueRows: (phoneId: PhoneId, limit: number) => Promise<DueRow[]>;
};

export type Beat = { conversationId: ConversationId; token: LeaseToken; lastSeq: number; fenceSeq: number };

/** What the turn worker needs of the mailbox beyond the path's own port. */
export type TurnSource = {
  claim: (limit: number) => Promise<Claim[]>;
  heartbeat: (claims: readonly Claim[]) => Promise<Map<ConversationId, Beat>>;
  releaseAll: (claims: readonly Claim[]) => Promise<void>;
};

export type { AccountEvent, Author, Cleared, NoticeLine, RowFacts, SendingPlan, TemplateEvent };
