-- The foundation: who there is, what they bought, what should run, what is owed.
--
-- Roles. The program logs in as one user and does `set role` per pool (src/db.rs). What each role may touch is the second line
-- behind the extractors: `paddock_web` sees one account's rows only (row security), `paddock_auth` knows people and sessions but
-- no servers, `paddock_fleet` may write what it observes but not what is wanted.
-- Everything that must look across accounts for a customer (is this address taken? is there room?) is a function below that
-- answers just that question.

do $$
declare wanted text;
begin
  foreach wanted in array array['paddock_auth', 'paddock_web', 'paddock_staff', 'paddock_worker', 'paddock_fleet'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception when duplicate_object or unique_violation then null;  -- roles are shared by all databases of a server
    end;
    if not pg_has_role(current_user, wanted, 'member') then
      execute format('grant %I to %I', wanted, current_user);
    end if;
  end loop;
end $$;

-- ---------------------------------------------------------------------------------------------------------------- people

create table accounts (
  id                 uuid primary key,
  name               text not null,                 -- how the host addresses the customer; the e-mail address to begin with
  stripe_customer_id text unique,                   -- set at the first checkout
  created_at         timestamptz not null
);
comment on table accounts is 'A customer of the host.';

create table people (
  id              uuid primary key,
  email           text not null,                    -- as written, for mails
  email_canonical text not null constraint people_email_canonical_key unique,  -- lower case, for uniqueness and log-in
  password_hash   text not null,                    -- argon2id, PHC string
  locale          text not null default 'en',
  verified_at     timestamptz,                      -- when the address was proven; without it nothing can be ordered
  created_at      timestamptz not null
);
comment on table people is 'Somebody who signs in as a customer.';

create table members (
  account_id uuid not null references accounts,
  person_id  uuid not null references people,
  role       text not null check (role in ('owner', 'admin', 'billing', 'viewer')),
  created_at timestamptz not null,
  primary key (account_id, person_id)
);
create index members_person on members (person_id);
comment on table members is 'Which people act for which account, and as what.';

create table staff (
  id              uuid primary key,
  email           text not null,
  email_canonical text not null constraint staff_email_canonical_key unique,
  password_hash   text not null,
  scopes          text[] not null,                  -- support, billing, operations, admin
  created_at      timestamptz not null
);
comment on table staff is 'The host''s own people. Never the same row as a customer.';

create table sessions (
  id_hash      bytea primary key,                   -- SHA-256 of the secret in the cookie or bearer token
  person_id    uuid references people on delete cascade,
  staff_id     uuid references staff on delete cascade,
  account_id   uuid references accounts,            -- the account a person acts for in this session
  kind         text not null check (kind in ('browser', 'api')),
  created_at   timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at   timestamptz not null,
  user_agent   text not null,
  check (num_nonnulls(person_id, staff_id) = 1),
  check ((person_id is null) = (account_id is null))
);
create index sessions_person on sessions (person_id);
create index sessions_expiry on sessions (expires_at);
comment on table sessions is 'Who is signed in. The secret itself is never stored.';

create table mail_tokens (
  id         uuid primary key,                      -- random; the link carries it together with a MAC under our key
  person_id  uuid not null references people on delete cascade,
  purpose    text not null check (purpose in ('verify', 'reset')),
  expires_at timestamptz not null,
  used_at    timestamptz,                           -- one use
  created_at timestamptz not null
);
create index mail_tokens_person on mail_tokens (person_id, purpose);
comment on table mail_tokens is 'Links in mails that prove an address or let a password be set.';

-- --------------------------------------------------------------------------------------------------------- capacity, servers

create table clusters (
  id         uuid primary key,
  name       text not null constraint clusters_name_key unique,  -- names a section of the configuration, which holds the kubeconfig
  state      text not null check (state in ('open', 'closed')),  -- closed: runs what it has, takes nothing new
  capacity   integer not null check (capacity >= 0),             -- instances it may hold
  created_at timestamptz not null
);
comment on table clusters is 'Kubernetes clusters and what may be promised of them.';

create table instances (
  id                  uuid primary key,
  account_id          uuid not null references accounts,
  cluster_id          uuid not null references clusters,
  domain              text not null,                -- LOCAL_DOMAIN, ASCII; never changes
  domain_skeleton     text not null,                -- what it looks like (UTS 39), to keep look-alikes out
  hosted              boolean not null,             -- a name under the host's own domain
  web_domain          text,                         -- optional WEB_DOMAIN; never changes
  owner_username      text not null,                -- Mastodon account of the server's owner
  owner_email         text not null,
  locale              text not null,
  plan_code           text not null,
  size                jsonb not null,               -- the plan's numbers when it was bought: intent is complete in this row
  mastodon_version    text not null,
  intent              text not null check (intent in ('absent', 'running', 'suspended', 'archived')),
  intent_reason       text,
  generation          bigint not null default 0,    -- counts changes of intent
  pushed_generation   bigint not null default 0,    -- the newest that the cluster's API server has taken
  observed_generation bigint not null default 0,    -- the newest that the operator has answered to
  observed            jsonb,                        -- status of the custom resource, as it was last seen
  observed_at         timestamptz,
  intent_at           timestamptz,                  -- when the intent last changed
  ready_at            timestamptz,                  -- first time that everything was ready
  released_at         timestamptz,                  -- when the address was given back (an order that was never paid)
  created_at          timestamptz not null,
  check (pushed_generation <= generation)
);
create unique index instances_domain_key on instances (domain) where released_at is null;
create unique index instances_web_domain_key on instances (web_domain) where released_at is null;
create unique index instances_hosted_skeleton_key on instances (domain_skeleton) where released_at is null and hosted;
create index instances_account on instances (account_id);
create index instances_to_push on instances (cluster_id) where generation > pushed_generation;
comment on table instances is 'Hosted Mastodon servers: what is wanted of each and what was last seen.';

create table places (
  id             uuid primary key,
  cluster_id     uuid not null references clusters,
  account_id     uuid not null references accounts,
  instance_id    uuid not null references instances,
  state          text not null check (state in ('reserved', 'confirmed', 'freed')),
  reserved_until timestamptz not null,              -- when a reserved place becomes a candidate for freeing; Stripe has the last word
  created_at     timestamptz not null
);
create unique index places_instance_key on places (instance_id) where state <> 'freed';
create index places_cluster on places (cluster_id) where state <> 'freed';
comment on table places is 'Shares of a cluster. A place is reserved before anybody pays (place before price).';

create table waiting_list (
  id         uuid primary key,
  account_id uuid not null references accounts,
  plan_code  text not null,
  domain     text not null,
  state      text not null check (state in ('waiting', 'left', 'invited')),
  created_at timestamptz not null
);
create unique index waiting_list_one_each on waiting_list (account_id) where state = 'waiting';
comment on table waiting_list is 'Who waits for room, oldest first. Nothing is charged.';

create table step_times (
  id          bigint generated always as identity primary key,
  step        text not null,
  seconds     double precision not null,
  finished_at timestamptz not null
);
create index step_times_recent on step_times (step, finished_at desc);
comment on table step_times is 'How long each step of building a server took, for an honest "usually takes".';

-- ------------------------------------------------------------------------------------------------------------------- money

create table prices (
  lookup_key      text primary key,                 -- plan, interval, amount and currency: a changed price is a new row
  stripe_price_id text not null unique,
  plan_code       text not null,
  created_at      timestamptz not null
);
comment on table prices is 'Stripe''s ids of the catalogue''s prices.';

create table orders (
  id                  uuid primary key,
  account_id          uuid not null references accounts,
  instance_id         uuid not null unique references instances,
  plan_code           text not null,
  billing_interval    text not null check (billing_interval in ('month', 'year')),
  amount_minor        bigint not null check (amount_minor > 0),  -- cents per interval
  currency            text not null,
  state               text not null check (state in ('placed', 'open', 'paid', 'expired')),
  checkout_id         text unique,                  -- Stripe's session, once it exists
  checkout_url        text,
  checkout_expires_at timestamptz not null,         -- fixed when placed, so that every retry sends the same
  paid_at             timestamptz,
  created_at          timestamptz not null,
  check (state <> 'open' or checkout_id is not null),
  check ((state = 'paid') = (paid_at is not null))
);
create index orders_account on orders (account_id);
create index orders_waiting on orders (checkout_expires_at) where state in ('placed', 'open');
comment on table orders is 'Purchases on their way to being paid.';

create table subscriptions (
  id                     uuid primary key,
  account_id             uuid not null references accounts,
  instance_id            uuid not null references instances,
  order_id               uuid not null references orders,
  stripe_subscription_id text not null constraint subscriptions_stripe_key unique,
  status                 text not null,             -- Stripe's word
  amount_minor           bigint not null,
  currency               text not null,
  billing_interval       text not null,
  current_period_end     timestamptz not null,
  cancel_at              timestamptz,
  open_invoice_since     timestamptz,               -- creation of the oldest unpaid invoice; past_due itself carries no date
  synced_at              timestamptz not null,
  created_at             timestamptz not null
);
create unique index subscriptions_instance_key on subscriptions (instance_id);
comment on table subscriptions is 'Our mirror of Stripe''s subscriptions, written by billing::sync alone.';

create table stripe_events (
  id          text primary key,                     -- Stripe's evt_…: a redelivery is a conflict, and that is all
  kind        text not null,
  api_version text not null,
  payload     bytea not null,                       -- the raw body that was verified
  received_at timestamptz not null
);
comment on table stripe_events is 'Webhooks as they came. Hints only: the object is always fetched.';

-- ----------------------------------------------------------------------------------------------------------- audit and mails

create table audit_events (
  id         bigint generated always as identity primary key,
  at         timestamptz not null,
  account_id uuid,                                  -- whose business it is; null: the host's own
  actor_kind text not null check (actor_kind in ('person', 'staff', 'system')),
  actor_id   text not null,
  action     text not null,                         -- e.g. instance.intent
  subject    text not null,                         -- id of what was changed
  detail     jsonb not null
);
create index audit_events_account on audit_events (account_id, id);
comment on table audit_events is 'Every change, written in the transaction that makes it.';

create table mails (
  id         uuid primary key,                      -- the Message-ID derives from it: a resend is recognised
  unique_key text constraint mails_unique_key_key unique,  -- says which notice this is, so that it is owed once
  recipient  text not null,
  locale     text not null,
  notice     jsonb not null,                        -- ids and plain facts; no secret
  state      text not null check (state in ('owed', 'sent', 'refused')),
  attempts   integer not null default 0,
  last_error text,
  sent_at    timestamptz,
  created_at timestamptz not null
);
create index mails_owed on mails (created_at) where state = 'owed';
comment on table mails is 'Mails that are owed or were sent.';

-- ------------------------------------------------------------------------------------------- questions across accounts

-- The account that the present transaction acts for.
create function current_account() returns uuid language sql stable
  return nullif(current_setting('paddock.account', true), '')::uuid;

-- A job, from any role, in the caller's transaction. The roles themselves have no rights on the queue's tables.
create function enqueue_job(task text, payload json, key text, queue text, run_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  -- Inside this function current_user is its owner; the setting still says who asked.
  if current_setting('role') = 'paddock_web' and task not in ('send_mail', 'settle_order', 'sync_checkout')
     or current_setting('role') = 'paddock_auth' and task not in ('send_mail', 'sync_checkout', 'sync_subscription') then
    raise exception 'role % may not enqueue the job %', current_setting('role'), task using errcode = 'insufficient_privilege';
  end if;
  perform graphile_worker.add_job(identifier => task, payload => payload, queue_name => queue, run_at => run_at, job_key => key);
end $$;

-- Which of the names is taken: 'domain', 'web_domain', 'look_alike' or null.
create function address_conflict(wanted text, wanted_web text, skeleton text, is_hosted boolean) returns text
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select case
    when exists (select 1 from instances i where i.released_at is null and (i.domain = wanted or i.web_domain = wanted)) then 'domain'
    when exists (select 1 from instances i where i.released_at is null and (i.domain = wanted_web or i.web_domain = wanted_web)) then 'web_domain'
    when is_hosted and exists (select 1 from instances i where i.released_at is null and i.hosted and i.domain_skeleton = skeleton) then 'look_alike'
  end
$$;

-- The open cluster with most room, or null when everything is full. Orders go through here one at a time until their
-- transaction ends, so that two can't take the last place; the insert into `places` must follow in the same transaction.
create function cluster_with_room() returns uuid
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtext('paddock.places'));
  return (
    select id from (
      select c.id, c.capacity - (select count(*) from places p where p.cluster_id = c.id and p.state <> 'freed') as room
      from clusters c where c.state = 'open'
    ) as open where room > 0 order by room desc, id limit 1
  );
end $$;

-- Places that are left over all open clusters.
create function places_left() returns bigint
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select coalesce(sum(greatest(0, c.capacity - (select count(*) from places p where p.cluster_id = c.id and p.state <> 'freed'))), 0)::bigint
  from clusters c where c.state = 'open'
$$;

-- How many wait ahead of, and including, the given entry.
create function waiting_position(entry uuid) returns bigint
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select count(*) from waiting_list w, waiting_list mine
  where mine.id = entry and w.state = 'waiting' and (w.created_at, w.id) <= (mine.created_at, mine.id)
$$;

-- ------------------------------------------------------------------------------------------------------------- nudges

-- Nudges carry nothing that matters: a lost one costs latency, never correctness.
create function nudge() returns trigger language plpgsql as $$
begin
  if new.generation > new.pushed_generation and (tg_op = 'INSERT' or old.generation is distinct from new.generation) then
    perform pg_notify('paddock_fleet', '');
  end if;
  if tg_op = 'UPDATE' then
    perform pg_notify('paddock_instance', new.id::text);
  end if;
  return null;
end $$;
create trigger instances_nudge after insert or update on instances for each row execute function nudge();

create function nudge_order() returns trigger language plpgsql as $$
begin
  perform pg_notify('paddock_instance', new.instance_id::text);
  return null;
end $$;
create trigger orders_nudge after update on orders for each row execute function nudge_order();

-- ------------------------------------------------------------------------------------------------------------- rights

revoke all on all functions in schema public from public;
grant usage on schema public to paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant execute on function current_account() to paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant execute on function enqueue_job(text, json, text, text, timestamptz) to paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant execute on function address_conflict(text, text, text, boolean), cluster_with_room(), places_left(), waiting_position(uuid)
  to paddock_web, paddock_worker, paddock_staff;
grant select (unique_key) on mails to paddock_auth, paddock_web;
grant insert on audit_events, mails to paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;

grant select, insert, update on people, sessions, mail_tokens to paddock_auth;
grant delete on sessions to paddock_auth;
grant select, insert on accounts, members to paddock_auth;
grant select on staff to paddock_auth;

grant select on accounts, members, instances, places, orders, subscriptions, waiting_list, audit_events, step_times to paddock_web;
grant select on prices, clusters to paddock_web;
grant insert on instances, places, orders, waiting_list to paddock_web;
grant update (state) on waiting_list to paddock_web;
grant update (state, checkout_id, checkout_url) on orders to paddock_web;
grant update (stripe_customer_id) on accounts to paddock_web;
grant insert on stripe_events to paddock_auth;
grant select (id) on stripe_events to paddock_auth;

grant select, insert, update on accounts, members, clusters, instances, places, waiting_list, step_times, prices, orders, subscriptions, stripe_events,
  audit_events, mails to paddock_worker;
grant select (id, email, locale, verified_at) on people to paddock_worker;
grant select (expires_at), delete on sessions, mail_tokens to paddock_worker;
grant delete on stripe_events, mails, step_times to paddock_worker;

grant select on instances, clusters, members to paddock_fleet;
grant select (id, email, locale, verified_at) on people to paddock_fleet;
grant select (unique_key) on mails to paddock_fleet;
grant insert, update on clusters to paddock_fleet;
grant update (pushed_generation, observed_generation, observed, observed_at, ready_at) on instances to paddock_fleet;
grant insert on step_times to paddock_fleet;

grant select on accounts, members, instances, places, orders, subscriptions, waiting_list, audit_events, clusters, step_times, prices, mails, stripe_events
  to paddock_staff;
grant select (id, email, email_canonical, verified_at, locale, created_at) on people to paddock_staff;
grant update (state, capacity) on clusters to paddock_staff;
grant select (id, email, email_canonical, scopes, created_at) on staff to paddock_staff;

-- Row security: what a customer's request sees. The other roles are not customers'.
do $$
declare t text;
begin
  foreach t in array array['instances', 'places', 'orders', 'subscriptions', 'waiting_list', 'audit_events', 'members'] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy own_account on %I to paddock_web using (account_id = current_account()) with check (account_id = current_account())', t);
    execute format('create policy everything on %I to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true)', t);
  end loop;
end $$;
-- A customer's request orders; it never pays, confirms, starts or signs for somebody else, whatever it is made to say.
create policy only_ordered on instances as restrictive for insert to paddock_web
  with check (intent = 'absent' and generation = 0 and pushed_generation = 0 and observed is null and ready_at is null and released_at is null);
create policy only_placed on orders as restrictive for insert to paddock_web with check (state = 'placed' and paid_at is null);
create policy only_unpaid on orders as restrictive for update to paddock_web
  using (state in ('placed', 'open')) with check (state in ('placed', 'open') and paid_at is null);
create policy only_reserved on places as restrictive for insert to paddock_web with check (state = 'reserved');
create policy only_in_person on audit_events as restrictive for insert to paddock_web with check (actor_kind = 'person');

alter table accounts enable row level security;
create policy own_account on accounts to paddock_web using (id = current_account()) with check (id = current_account());
create policy everything on accounts to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
alter table mails enable row level security;
create policy owes on mails for insert to paddock_web with check (state = 'owed');
create policy everything on mails to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
