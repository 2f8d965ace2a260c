-- Releases of Mastodon, and how they reach the servers that run: src/plan/store.rs, src/rollout.

create table releases (
  version           text primary key check (version ~ '^[0-9]+\.[0-9]+\.[0-9]+$'),
  web               text not null check (web ~ '@sha256:[0-9a-f]{64}$'),        -- image of web, Sidekiq and Jobs; nothing runs by tag alone
  streaming         text not null check (streaming ~ '@sha256:[0-9a-f]{64}$'),  -- image of the streaming API
  min_from          text not null check (min_from ~ '^[0-9]+\.[0-9]+\.[0-9]+$'),  -- the oldest version that may go straight to it
  schema            text not null,                    -- name of the set of schema migrations, one per minor
  notes             text not null,                    -- what staff should know
  changes           text not null default '',         -- what customers are told
  security          boolean not null default false,   -- it closes a hole
  offered           boolean not null,                 -- new servers may start with it
  digest_verified   boolean not null,                 -- somebody has looked the digests up in the registry
  added_at          timestamptz not null,
  withdrawn_at      timestamptz,                      -- nothing new comes to it any more; what runs it runs on
  withdrawn_because text,
  check ((withdrawn_at is null) = (withdrawn_because is null)),
  check (withdrawn_at is null or not offered)
);
comment on table releases is 'Versions of Mastodon that can run. The catalogue file brings in what is missing; this table rules.';

create table rollouts (
  id         uuid primary key,
  version    text not null references releases,
  state      text not null check (state in ('running', 'paused', 'finished', 'aborted', 'returning', 'returned')),
  policy     jsonb not null,                          -- rollout::Policy: steps, pace, windows, when to stop by itself
  step       integer not null,                        -- the step that is being done, from 0
  step_since timestamptz not null,                    -- when it began
  reason     text,                                    -- why it is not running, or was paused last
  resumed_at timestamptz not null,                    -- failures before this were looked at by somebody
  started_by text not null,                           -- id of the member of staff
  created_at timestamptz not null,
  ended_at   timestamptz,
  check ((ended_at is null) = (state in ('running', 'paused', 'returning')))
);
create unique index rollouts_open_key on rollouts (version) where ended_at is null;
comment on table rollouts is 'A release on its way to the servers that run an older one.';

create table rollout_items (
  rollout_id   uuid not null references rollouts,
  instance_id  uuid not null references instances,
  account_id   uuid not null references accounts,
  step         integer not null,                      -- of which step it is part
  state        text not null check (state in ('waiting', 'upgrading', 'done', 'failed', 'left_out', 'to_return', 'returning', 'returned')),
  from_version text not null,                         -- what it ran before
  minor        boolean not null,                      -- another minor: the customer is told before, and there is no way back
  due_at       timestamptz not null,                  -- when it is to begin, as far as that is known
  window_until timestamptz not null,                  -- how long the customer's window is waited for
  told_at      timestamptz,                           -- when the mail about it was owed
  generation   bigint,                                -- of the intent that the change has made
  started_at   timestamptz,
  ended_at     timestamptz,
  note         text,                                  -- why it failed or was left out
  primary key (rollout_id, instance_id)
);
-- A server is part of one change at a time.
create unique index rollout_items_open_key on rollout_items (instance_id)
  where state in ('waiting', 'upgrading', 'to_return', 'returning');
create index rollout_items_due on rollout_items (rollout_id, step, due_at) where state = 'waiting';
create index rollout_items_states on rollout_items (rollout_id, state);
comment on table rollout_items is 'The servers of a rollout, each with its turn and what became of it.';

alter table instances
  add column maintenance_window jsonb check (jsonb_typeof(maintenance_window) = 'object'),  -- instance::upkeep::Window; null: at any time
  add column canary             boolean not null default false;                             -- gets new releases first

-- Nudges carry nothing: a release that is new or has other images is published to the clusters at once.
create function nudge_releases() returns trigger language plpgsql as $$
begin
  perform pg_notify('paddock_releases', '');
  return null;
end $$;
create trigger releases_nudge after insert or update or delete on releases for each statement execute function nudge_releases();

-- -------------------------------------------------------------------------------------------------------------------- rights

grant select on releases to paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant insert, update on releases to paddock_staff;
grant insert on releases to paddock_worker;

grant select (id, version, state, policy) on rollouts to paddock_web;
grant select on rollouts to paddock_staff, paddock_worker, paddock_fleet;
grant insert, update on rollouts to paddock_staff;
grant update on rollouts to paddock_worker;

grant select on rollout_items to paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant insert, update on rollout_items to paddock_staff;
grant update on rollout_items to paddock_worker;

grant update (maintenance_window) on instances to paddock_web;
grant update (canary) on instances to paddock_staff;

alter table rollout_items enable row level security;
create policy own_account on rollout_items to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on rollout_items to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
