-- Webhooks for customers: programs of theirs that are told what happens to their servers.

create table hook_endpoints (
  id            uuid primary key,
  account_id    uuid not null references accounts,
  url           text not null,
  kinds         text[] not null,                     -- which events; none: all of them
  seed          bytea not null,                      -- random; the secret is its MAC under the host's key, so that this table alone signs nothing
  old_seed      bytea,                               -- of the secret before, while both sign
  old_until     timestamptz,
  state         text not null check (state in ('on', 'off', 'failing', 'removed')),  -- failing: switched off by us
  failing_since timestamptz,                         -- first failure after the last success
  ended_at      timestamptz,                         -- when it was switched off or removed
  created_at    timestamptz not null,
  unique (id, account_id),
  check ((old_seed is null) = (old_until is null))
);
create index hook_endpoints_account on hook_endpoints (account_id) where state <> 'removed';
comment on table hook_endpoints is 'Addresses that a customer''s programs are told at.';

create table hook_events (
  id         uuid primary key,                       -- the header webhook-id: the same at each try
  account_id uuid not null references accounts,
  kind       text not null,                          -- such as server.ready
  payload    text not null,                          -- the body, byte for byte: what is signed
  at         timestamptz not null,
  unique (id, account_id)
);
create index hook_events_account on hook_events (account_id);
create index hook_events_age on hook_events (at);
comment on table hook_events is 'What happened and somebody is told of.';

create table hook_deliveries (
  id          uuid primary key,
  account_id  uuid not null references accounts,
  endpoint_id uuid not null,
  event_id    uuid not null,
  state       text not null check (state in ('due', 'delivered', 'given_up')),
  attempts    integer not null default 0,            -- since it was owed or last replayed
  due_at      timestamptz not null,                  -- of the next try; while one is under way, when another worker takes it over
  created_at  timestamptz not null,
  unique (id, account_id),
  unique (endpoint_id, event_id),
  foreign key (endpoint_id, account_id) references hook_endpoints (id, account_id) on delete cascade,
  foreign key (event_id, account_id) references hook_events (id, account_id) on delete cascade
);
create index hook_deliveries_due on hook_deliveries (due_at) where state = 'due';
create index hook_deliveries_event on hook_deliveries (event_id);
comment on table hook_deliveries is 'Which endpoint is owed which event.';

create table hook_tries (
  id          bigint generated always as identity primary key,
  account_id  uuid not null references accounts,
  delivery_id uuid not null,
  at          timestamptz not null,
  status      integer,                               -- of the answer; null: there was none
  error       text,                                  -- why there was none
  millis      integer not null,
  foreign key (delivery_id, account_id) references hook_deliveries (id, account_id) on delete cascade
);
create index hook_tries_delivery on hook_tries (delivery_id, id);
comment on table hook_tries is 'Every try to tell, with what was answered.';

-- A customer's request makes endpoints, changes them and asks for tries; what becomes of tries is the worker's to write.
grant select, insert on hook_endpoints, hook_events, hook_deliveries to paddock_web;
grant update (url, kinds, seed, old_seed, old_until, state, failing_since, ended_at) on hook_endpoints to paddock_web;
grant update (state, attempts, due_at) on hook_deliveries to paddock_web;
grant select on hook_tries to paddock_web;
-- What happens is noticed by these.
grant select (id, account_id, kinds, state) on hook_endpoints to paddock_fleet;
grant insert on hook_events, hook_deliveries to paddock_fleet, paddock_staff, paddock_worker;
grant select, update, delete on hook_endpoints, hook_events, hook_deliveries to paddock_worker;
grant select, insert on hook_tries to paddock_worker;
grant select (id, account_id, url, kinds, state, failing_since, ended_at, created_at) on hook_endpoints to paddock_staff;
grant select (id, account_id, kind, at) on hook_events to paddock_staff;
grant select on hook_deliveries, hook_tries to paddock_staff;

do $$
declare t text;
begin
  foreach t in array array['hook_endpoints', 'hook_events', 'hook_deliveries', 'hook_tries'] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy own_account on %I to paddock_web using (account_id = current_account()) with check (account_id = current_account())', t);
    execute format('create policy everything on %I to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true)', t);
  end loop;
end $$;
