-- Changes of a server that is paid for: another plan, interval or number of storage packs; an end on a date; and what was measured of servers.

create table changes (
  id               uuid primary key,
  account_id       uuid not null references accounts,
  instance_id      uuid not null references instances,
  subscription_id  uuid not null references subscriptions,
  state            text not null check (state in ('asked', 'done', 'void')),  -- void: not made, and nothing charged
  plan_code        text not null,                   -- from then on
  billing_interval text not null check (billing_interval in ('month', 'year')),
  size             jsonb not null,                  -- instance::StoredSize from then on; the packs are in it
  reprices         boolean not null,                -- the plan gets the price of this row; else it keeps the one that it has
  plan_minor       bigint not null,                 -- minor units per interval
  pack_minor       bigint,                          -- of one pack; null without packs
  due_minor        bigint not null,                 -- what was shown as due at once: no more is charged
  currency         text not null,
  as_of            timestamptz not null,            -- as of when is prorated, as it was shown
  created_at       timestamptz not null,
  ended_at         timestamptz,
  why              text check (why in ('declined', 'price', 'not_now', 'refused')),
  check ((state = 'asked') = (ended_at is null)),
  check ((state = 'void') = (why is not null))
);
create unique index changes_open_key on changes (subscription_id) where state = 'asked';
create index changes_instance on changes (instance_id, id);
create index changes_account on changes (account_id);
comment on table changes is 'What customers wanted another plan, interval or number of storage packs for, what they were shown, and what came of it.';

create table usages (
  instance_id    uuid primary key references instances,
  account_id     uuid not null references accounts,
  media_bytes    bigint not null check (media_bytes >= 0),
  database_bytes bigint not null check (database_bytes >= 0),
  measured_at    timestamptz not null
);
create index usages_account on usages (account_id);
comment on table usages is 'How much is on each server, as it was last measured.';

alter table subscriptions
  add column packs        integer not null default 0,  -- storage packs, by Stripe
  add column wish_ends_at timestamptz;                 -- the date that is wanted; with end_on alone
alter table subscriptions
  drop constraint subscriptions_wish_check,
  add constraint subscriptions_wish_check check (wish in ('end_now', 'end_with_period', 'end_on', 'go_on')),
  add constraint subscriptions_wish_ends_at check ((wish_ends_at is not null) = (wish is not distinct from 'end_on'));

-- The place of a server of the account that acts becomes as large as that, in each amount in which it is smaller. Whoever calls has seen that
-- there is room, under the lock of open_clusters.
create function widen_place(server uuid, needs jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  update places set
    services = greatest(services, (needs ->> 'services')::bigint), pods = greatest(pods, (needs ->> 'pods')::bigint),
    custom_resources = greatest(custom_resources, (needs ->> 'custom_resources')::bigint),
    memory_mib = greatest(memory_mib, (needs ->> 'memory_mib')::bigint), cpu_milli = greatest(cpu_milli, (needs ->> 'cpu_milli')::bigint),
    volumes = greatest(volumes, (needs ->> 'volumes')::bigint), volume_gib = greatest(volume_gib, (needs ->> 'volume_gib')::bigint)
  where instance_id = server and account_id = current_account() and state = 'confirmed';
  if not found then
    raise exception 'server % has no place of this account', server;
  end if;
end $$;
revoke all on function widen_place(uuid, jsonb) from public;
grant execute on function widen_place(uuid, jsonb) to paddock_web;

grant select, insert on changes to paddock_web;
grant select, update on changes to paddock_worker;
grant select on changes to paddock_staff;
grant select on usages to paddock_web, paddock_worker, paddock_staff;
grant select, insert, update on usages to paddock_fleet;
grant update (wish_ends_at) on subscriptions to paddock_web;

create or replace function enqueue_job(task text, payload json, key text, queue text, run_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  -- Inside this function current_user is its owner; the setting still says who asked.
  if current_setting('role') = 'paddock_web'
       and task not in ('send_mail', 'settle_order', 'sync_checkout', 'check_address', 'carry_wish', 'carry_change', 'keep_waiting_list')
     or current_setting('role') = 'paddock_auth' and task not in ('send_mail', 'sync_checkout', 'sync_subscription') then
    raise exception 'role % may not enqueue the job %', current_setting('role'), task using errcode = 'insufficient_privilege';
  end if;
  perform graphile_worker.add_job(identifier => task, payload => payload, queue_name => queue, run_at => run_at, job_key => key);
end $$;

do $$
declare t text;
begin
  foreach t in array array['changes', 'usages'] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy own_account on %I to paddock_web using (account_id = current_account()) with check (account_id = current_account())', t);
    execute format('create policy everything on %I to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true)', t);
  end loop;
end $$;
create policy only_asked on changes as restrictive for insert to paddock_web with check (state = 'asked' and ended_at is null);
