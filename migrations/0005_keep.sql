-- breaking: false
-- Keeping and forgetting: how retention finds what is old, proofs of erasure, and the hold that a restore puts on sending.
-- An erased value is an empty one (its row stays for counts and for "why"), so it leaves the index that found it.

create index inbox_raw_age on inbox (merchant_id, received_at) where raw_ct is not null;
create index inbox_body_age on inbox (merchant_id, received_at) where body_ct <> '';
create index inbox_dead_age on inbox (merchant_id, received_at) where state = 'dead';
create index outbox_content_age on outbox (merchant_id, created_at) where content_ct <> '';
create index decision_facts_age on decision (merchant_id, decided_at) where facts_ct <> '';
create index send_attempt_wamid_age on send_attempt (merchant_id, started_at) where wamid_hash is not null;
-- Events of no conversation (syncs, receipts we did not understand) can name a person all the same: an erasure looks through them.
create index inbox_loose on inbox (merchant_id, id) where conversation_id is null;

create index contact_age on contact (merchant_id, created_at) where erased_at is null and merged_into is null;

-- What was erased, when, by whom, what was kept and why. Names nobody; never changed.
create table erasure (
  id uuid primary key,
  merchant_id uuid not null,
  contact_id uuid not null,
  actor text not null,
  erased_at timestamptz not null,
  proof text not null,
  proof_hash bytea not null
);
create index erasure_merchant on erasure (merchant_id, erased_at);
alter table erasure enable row level security;
alter table erasure force row level security;
create policy one_merchant on erasure using (merchant_id = any(app_merchants())) with check (merchant_id = any(app_merchants()));
grant select, insert on erasure to esek_app;

-- The ledger stays append-only; the free text beside a line (what a person said or signed) may be forgotten, nothing else.
create function erase_consent_evidence(ids uuid[]) returns int language sql security definer set search_path = public, pg_temp as $$
  with gone as (update consent_event set evidence_ct = null where id = any(ids) and evidence_ct is not null returning 1) select count(*)::int from gone
$$;
revoke all on function erase_consent_evidence(uuid[]) from public;
grant execute on function erase_consent_evidence(uuid[]) to esek_app;

-- After a restore nothing leaves until somebody says that the stops since the backup are in. One row a restore; belongs to no merchant.
create table restore_hold (
  id uuid primary key,
  backup_at timestamptz not null,
  restored_at timestamptz not null default clock_timestamp(),
  acknowledged_at timestamptz,
  acknowledged_by text
);
grant select on restore_hold to esek_app;
grant update (acknowledged_at, acknowledged_by) on restore_hold to esek_app;
