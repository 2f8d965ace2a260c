-- Tokens of the JSON API, for programs: narrower than the person who made them, and for a while only.

create unique index instances_of_account on instances (id, account_id);

create table api_tokens (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  person_id    uuid not null references people,      -- whose it is: it may never more than they may
  name         text not null,                        -- what they call it
  token_hash   bytea not null constraint api_tokens_hash_key unique,  -- SHA-256; the token itself is shown once
  scope        text not null check (scope in ('read', 'manage')),
  instance_id  uuid,                                 -- good for this server alone; null: for all of the account
  expires_at   timestamptz not null,
  last_used_at timestamptz,                          -- to within ten minutes
  created_at   timestamptz not null,
  -- It ends with the membership.
  foreign key (account_id, person_id) references members (account_id, person_id) on delete cascade,
  foreign key (instance_id, account_id) references instances (id, account_id)
);
create index api_tokens_person on api_tokens (person_id, account_id);
comment on table api_tokens is 'Tokens by which programs call the JSON API for somebody.';

grant select, insert, update, delete on api_tokens to paddock_auth;
grant select (id, account_id) on api_tokens to paddock_web;
grant select (id, account_id, person_id, name, scope, instance_id, expires_at, last_used_at, created_at) on api_tokens to paddock_staff;
grant select (expires_at), delete on api_tokens to paddock_worker;
alter table api_tokens enable row level security;
create policy own_account on api_tokens to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on api_tokens to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
