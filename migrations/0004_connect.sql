-- breaking: false
-- Connecting a merchant: tokens that came by Embedded Signup or stdin, sealed; what Meta last said of a number.

create table merchant_secret (
  id uuid primary key,
  merchant_id uuid not null,
  name text not null,
  value_ct bytea not null,
  expires_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  unique (merchant_id, name)
);
alter table merchant_secret enable row level security;
alter table merchant_secret force row level security;
create policy one_merchant on merchant_secret using (merchant_id = any(app_merchants())) with check (merchant_id = any(app_merchants()));
grant select, insert, update, delete on merchant_secret to esek_app;

alter table phone add column quality text not null default 'UNKNOWN';
alter table phone add column checked_at timestamptz;
