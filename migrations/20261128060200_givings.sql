-- What staff give customers: money of paid invoices, and credit.

create table givings (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  instance_id  uuid not null references instances,
  kind         text not null check (kind in ('refund', 'credit')),
  amount_minor bigint not null check (amount_minor > 0),
  currency     text not null,
  invoice_id   text,                                -- Stripe's; of a refund
  reason       text not null,
  staff_id     uuid not null references staff,
  second_id    uuid references staff,               -- who agreed, where it was more than one person may give
  state        text not null check (state in ('asked', 'done', 'void')),
  created_at   timestamptz not null,
  ended_at     timestamptz,
  why          text,                                -- Stripe's words, when it refused
  check ((kind = 'refund') = (invoice_id is not null)),
  check ((state = 'asked') = (ended_at is null)),
  check (second_id is distinct from staff_id)
);
create index givings_instance on givings (instance_id, id);
create index givings_account on givings (account_id, created_at);
create index givings_created on givings (created_at);
comment on table givings is 'Money and credit that staff have given customers, with the reason: the other half of the audit log''s entries.';

grant select, insert on givings to paddock_staff;
grant select, update on givings to paddock_worker;
grant select on givings to paddock_web;
alter table givings enable row level security;
create policy own_account on givings to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on givings to paddock_worker, paddock_staff using (true) with check (true);
