-- breaking: false
-- The path: inbox, mailbox, outbox, attempts; identity and consent; decisions and notices; keys.
-- The runtime role esek_app owns nothing. Tables with customer data have forced row-level security; mailbox, outbox_due
-- and route hold only ids, numbers and times and have none: whoever claims a row sets that row's one merchant.

do $$ begin
  create role esek_app nologin;
exception when duplicate_object or unique_violation then null; end $$;
grant esek_app to current_user;

create function app_merchants() returns uuid[] language sql stable parallel safe as
  $$ select coalesce(nullif(current_setting('app.merchant_ids', true), ''), '{}')::uuid[] $$;

-- Routing and coordination: no row-level security.

create table route (
  kind text not null check (kind in ('phone', 'waba', 'display', 'apikey')),
  meta_id text not null,
  merchant_id uuid not null,
  phone_id uuid,
  primary key (kind, meta_id)
);

create table mailbox (
  id uuid primary key,
  merchant_id uuid not null,
  kind text not null check (kind in ('conversation', 'sender', 'job')),
  shard int not null default 0,
  phone_id uuid,
  contact_id uuid,
  due_at timestamptz not null default 'infinity',
  burst_until timestamptz,
  backoff_until timestamptz,
  last_seq bigint not null default 0,
  fence_seq bigint not null default 0,
  handled_seq bigint not null default 0,
  lane_seq bigint not null default 0,
  token uuid,
  lease_until timestamptz,
  attempts int not null default 0,
  expiries int not null default 0,
  supersedes int not null default 0,
  window_at timestamptz,
  window_closed_at timestamptz,
  human_since timestamptz,
  merged_into uuid,
  unique nulls not distinct (merchant_id, kind, phone_id, contact_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
create index mailbox_due on mailbox (kind, due_at) where due_at < 'infinity';
create index mailbox_contact on mailbox (contact_id) where contact_id is not null;
create index mailbox_sender on mailbox (phone_id) where kind = 'sender';

create table outbox_due (
  outbox_id uuid primary key,
  merchant_id uuid not null,
  phone_id uuid not null,
  contact_id uuid not null,
  lane uuid,
  lane_seq bigint not null default 0,
  send_at timestamptz not null,
  shard int not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
create index outbox_due_send on outbox_due (phone_id, send_at);
create index outbox_due_lane on outbox_due (lane, lane_seq) where lane is not null;
create index outbox_due_contact on outbox_due (contact_id);

-- Merchants and their numbers.

create table merchant (
  merchant_id uuid primary key,
  slug text not null unique,
  config jsonb not null,
  config_hash text not null,
  suspended_reason text,
  updated_at timestamptz not null default now()
);

create table waba (
  merchant_id uuid not null,
  waba_id text not null,
  portfolio_id text not null,
  templates_blocked_until timestamptz,
  replies_blocked_until timestamptz,
  disabled_reason text,
  token_broken_at timestamptz,
  messaging_limit int,
  blocked_countries text[] not null default '{}',
  primary key (merchant_id, waba_id)
);

create table phone (
  id uuid primary key,
  merchant_id uuid not null,
  waba_id text not null,
  phone_number_id text not null unique,
  display_number text not null,
  status text not null default 'CONNECTED',
  paused_reason text,
  paused_until timestamptz,
  coexistence boolean not null default false,
  throughput_mps int not null default 80
);

create table template (
  merchant_id uuid not null,
  waba_id text not null,
  name text not null,
  language text not null,
  category text not null,
  status text not null,
  quality text not null default 'UNKNOWN',
  components jsonb not null default '[]',
  meta_id text,
  updated_at timestamptz not null default now(),
  primary key (merchant_id, waba_id, name, language)
);

-- Keys.

create table data_key (
  id uuid primary key,
  merchant_id uuid not null,
  purpose text not null check (purpose in ('data', 'blind')),
  version int not null,
  kek_id text not null,
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  unique (merchant_id, purpose, version)
);

-- People.

create table contact (
  id uuid primary key,
  merchant_id uuid not null,
  portfolio_id text not null,
  phone_ct bytea,
  bsuid_ct bytea,
  name_ct bytea,
  country text,
  zone text,
  language text,
  disclosed_at timestamptz,
  unreachable int not null default 0,
  meta_stopped_at timestamptz,
  merged_into uuid,
  erased_at timestamptz,
  created_at timestamptz not null default now()
);

create table contact_identity (
  merchant_id uuid not null,
  portfolio_id text not null,
  id_hash bytea not null,
  hash_version int not null,
  kind text not null check (kind in ('wa_id', 'bsuid', 'parent_bsuid')),
  contact_id uuid not null,
  primary key (merchant_id, portfolio_id, id_hash)
);
create index contact_identity_contact on contact_identity (contact_id);

create table consent_event (
  id uuid primary key,
  merchant_id uuid not null,
  waba_id text not null,
  contact_id uuid,
  act text not null check (act in ('opt-in', 'opt-out', 'pending-opt-in', 'ask', 'ask-answered')),
  scope text not null check (scope in ('marketing', 'utility', 'all')),
  source text not null,
  event_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  source_key text not null,
  rule text,
  language text,
  actor text,
  evidence_ct bytea,
  unique (merchant_id, waba_id, source_key)
);

create table consent_key (
  merchant_id uuid not null,
  waba_id text not null,
  id_hash bytea not null,
  consent_event_id uuid not null references consent_event (id),
  primary key (merchant_id, waba_id, id_hash, consent_event_id)
);

-- What came in.

create table event_key (
  merchant_id uuid not null,
  key_hash bytea not null,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (merchant_id, key_hash)
);
create index event_key_age on event_key using brin (seen_at);

create table inbox (
  id uuid primary key,
  merchant_id uuid not null,
  conversation_id uuid,
  seq bigint,
  kind text not null,
  type text not null,
  event_at timestamptz not null,
  received_at timestamptz not null default clock_timestamp(),
  wamid_hash bytea,
  target_hash bytea,
  body_ct bytea not null,
  raw_ct bytea,
  state text not null default 'kept' check (state in ('kept', 'dead', 'revoked')),
  replayed_from uuid
);
create index inbox_conversation on inbox (conversation_id, seq) where conversation_id is not null;
create index inbox_wamid on inbox (merchant_id, wamid_hash) where wamid_hash is not null;
create index inbox_age on inbox using brin (received_at);

create table inbox_unrouted (
  id uuid primary key,
  merchant_id uuid not null,
  reason text not null,
  received_at timestamptz not null default clock_timestamp(),
  body_ct bytea not null
);

-- What goes out.

create table outbox (
  id uuid primary key,
  merchant_id uuid not null,
  shard int not null default 0,
  conversation_id uuid not null,
  phone_id uuid not null,
  contact_id uuid not null,
  turn_id uuid,
  part int not null default 0,
  dedupe_key text not null,
  purpose text not null,
  author text not null,
  reason text not null,
  state text not null,
  state_reason text,
  lane uuid,
  lane_seq bigint not null default 0,
  content_ct bytea not null,
  content_hash bytea not null,
  template_name text,
  template_language text,
  verdict jsonb not null,
  versions jsonb not null,
  reply_to uuid,
  held_id uuid,
  discloses boolean not null default false,
  tries int not null default 0,
  errors int not null default 0,
  resent boolean not null default false,
  send_at timestamptz not null,
  expires_at timestamptz,
  sent_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  unique (merchant_id, dedupe_key)
) with (fillfactor = 70);
create index outbox_conversation on outbox (conversation_id, created_at);
create index outbox_contact_sent on outbox (contact_id, sent_at) where sent_at is not null;
create index outbox_state on outbox (merchant_id, state) where state in ('queued', 'deferred', 'sending', 'unknown', 'held');
create index outbox_open_contact on outbox (contact_id) where state in ('queued', 'deferred', 'sending', 'unknown', 'held');
create index outbox_contact on outbox (contact_id);
create index outbox_turn on outbox (turn_id) where turn_id is not null;
create index outbox_held on outbox (held_id) where held_id is not null;

create table send_attempt (
  id uuid primary key,
  merchant_id uuid not null,
  outbox_id uuid not null references outbox (id),
  contact_id uuid not null,
  conversation_id uuid not null,
  phone_id uuid not null,
  number int not null,
  state text not null check (state in ('sending', 'accepted', 'rejected', 'unknown')),
  started_at timestamptz not null,
  deadline_at timestamptz not null,
  wamid_hash bytea,
  wamid_ct bytea,
  status text,
  status_rank int not null default 0,
  status_at timestamptz,
  error_code int,
  pricing_category text,
  pricing_type text,
  duplicate_detected boolean not null default false
) with (fillfactor = 70);
create index send_attempt_outbox on send_attempt (outbox_id);
create index send_attempt_wamid on send_attempt (merchant_id, wamid_hash) where wamid_hash is not null;
create index send_attempt_open on send_attempt (phone_id, deadline_at) where state = 'sending';

create table status_parked (
  id uuid primary key,
  merchant_id uuid not null,
  wamid_hash bytea,
  attempt_id uuid,
  body_ct bytea not null,
  tries int not null default 0,
  next_try_at timestamptz not null,
  first_seen_at timestamptz not null default clock_timestamp()
);
create index status_parked_due on status_parked (next_try_at);

create table held_answer (
  id uuid primary key,
  merchant_id uuid not null,
  conversation_id uuid not null,
  turn_id uuid not null unique,
  question_event_ids uuid[] not null,
  state text not null check (state in ('held', 'released', 'superseded', 'expired')),
  agent_version text,
  created_at timestamptz not null,
  closed_at timestamptz
);
create index held_answer_open on held_answer (conversation_id) where state = 'held';

-- Limits. Last in the lock order.

create table pair_limit (
  merchant_id uuid not null,
  phone_id uuid not null,
  contact_id uuid not null,
  paid_until timestamptz not null,
  blocked_until timestamptz,
  refusals int not null default 0,
  primary key (phone_id, contact_id)
);

create table portfolio_recipient (
  merchant_id uuid not null,
  portfolio_id text not null,
  contact_id uuid not null,
  last_at timestamptz not null,
  primary key (merchant_id, portfolio_id, contact_id)
);
create index portfolio_recipient_recent on portfolio_recipient (merchant_id, portfolio_id, last_at);

-- Why, and what people are told.

create table decision (
  id uuid primary key,
  merchant_id uuid not null,
  subject text not null check (subject in ('turn', 'outbound')),
  conversation_id uuid,
  turn_id uuid,
  outbox_id uuid,
  step text not null,
  type text not null,
  reason text not null,
  facts_ct bytea not null,
  verdicts jsonb not null default '[]',
  versions jsonb not null,
  latency_ms double precision,
  usage jsonb,
  repeats int not null default 1,
  decided_at timestamptz not null,
  last_at timestamptz not null
);
create index decision_outbox on decision (outbox_id, decided_at) where outbox_id is not null;
create index decision_turn on decision (turn_id) where turn_id is not null;
create index decision_conversation on decision (conversation_id, decided_at);

create table notice (
  id uuid primary key,
  merchant_id uuid not null,
  kind text not null,
  dedupe_key text not null,
  conversation_id uuid,
  detail jsonb not null default '{}',
  count int not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  unique (merchant_id, dedupe_key)
);

create table data_request (
  id uuid primary key,
  merchant_id uuid not null,
  contact_id uuid not null,
  source_key text not null,
  kind text not null,
  state text not null default 'received',
  received_at timestamptz not null,
  due_at timestamptz not null,
  unique (merchant_id, source_key)
);

-- The business API.

create table api_key (
  id uuid primary key,
  merchant_id uuid not null,
  name text not null,
  secret_hash bytea not null,
  scopes text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  revoked_at timestamptz
);

create table api_idempotency (
  merchant_id uuid not null,
  key_hash bytea not null,
  body_hash bytea not null,
  status int not null,
  response jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (merchant_id, key_hash)
);
create index api_idempotency_age on api_idempotency (created_at);

-- Forced row-level security on everything that belongs to a merchant.

do $$
declare t text;
begin
  foreach t in array array['merchant', 'waba', 'phone', 'template', 'data_key', 'contact', 'contact_identity', 'consent_event',
    'consent_key', 'event_key', 'inbox', 'inbox_unrouted', 'outbox', 'send_attempt', 'status_parked', 'held_answer', 'pair_limit',
    'portfolio_recipient', 'decision', 'notice', 'data_request', 'api_key', 'api_idempotency']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy one_merchant on %I using (merchant_id = any(app_merchants())) with check (merchant_id = any(app_merchants()))', t);
  end loop;
end $$;

grant usage on schema public to esek_app;
grant select, insert, update, delete on all tables in schema public to esek_app;
-- The consent ledger is append-only, the history of decisions only counts repeats.
revoke update, delete on consent_event, consent_key from esek_app;
revoke delete on decision from esek_app;
revoke insert, update, delete on schema_migration from esek_app;
