-- breaking: false
-- The agent: passages of a merchant's documents, summaries of long conversations, what was spent, what is told to the merchant's own systems.

create extension if not exists pg_trgm;

-- Documents are the merchant's own words, not a customer's: they are searched, so they are not encrypted.
create table knowledge_chunk (
  id uuid primary key,
  merchant_id uuid not null,
  source text not null,
  title text not null,
  body text not null,
  language text,
  terms text[] not null,
  title_terms text[] not null,
  vector tsvector not null,
  embedding real[]
);
create index knowledge_chunk_vector on knowledge_chunk using gin (vector);
create index knowledge_chunk_merchant on knowledge_chunk (merchant_id);

alter table merchant add column knowledge_hash text;

create table knowledge_term (
  merchant_id uuid not null,
  term text not null,
  passages int not null,
  primary key (merchant_id, term)
);
create index knowledge_term_alike on knowledge_term using gin (term gin_trgm_ops);

create table conversation_summary (
  conversation_id uuid primary key,
  merchant_id uuid not null,
  text_ct bytea not null,
  until_at timestamptz not null,
  updated_at timestamptz not null default clock_timestamp()
);

-- One row a person and day; the zero uuid holds what belongs to no person.
create table spend (
  merchant_id uuid not null,
  day date not null,
  contact_id uuid not null,
  answers int not null default 0,
  tokens bigint not null default 0,
  model_usd float8 not null default 0,
  whatsapp_usd float8 not null default 0,
  primary key (merchant_id, day, contact_id)
);

create table webhook_delivery (
  id uuid primary key,
  merchant_id uuid not null,
  kind text not null,
  body_ct bytea not null,
  state text not null default 'due' check (state in ('due', 'delivered', 'failed')),
  tries int not null default 0,
  last_status int,
  next_try_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  delivered_at timestamptz
);
create index webhook_delivery_due on webhook_delivery (merchant_id, next_try_at) where state = 'due';

do $$
declare t text;
begin
  foreach t in array array['knowledge_chunk', 'knowledge_term', 'conversation_summary', 'spend', 'webhook_delivery'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy one_merchant on %I using (merchant_id = any(app_merchants())) with check (merchant_id = any(app_merchants()))', t);
  end loop;
end $$;
grant select, insert, update, delete on knowledge_chunk, knowledge_term, conversation_summary, spend, webhook_delivery to esek_app;
