-- Standing: what follows when a subscription is not paid or is over, and the reasons for which a server does not run, each by itself.

create table holds (
  instance_id uuid not null references instances,
  account_id  uuid not null references accounts,
  reason      text not null check (reason in ('ended', 'over', 'abuse', 'staff', 'unpaid', 'asked', 'moving')),
  note        text not null,                        -- what is worth knowing beside the word; may be empty
  since       timestamptz not null,
  primary key (instance_id, reason)
);
create index holds_account on holds (account_id);
comment on table holds is 'Why a server does not run. Each reason is set and lifted by whom it concerns; it runs when none is left.';

-- What was paused or ended before reasons were rows. What staff called unpaid is theirs to lift: what really is, the next look at Stripe says.
insert into holds (instance_id, account_id, reason, note, since)
  select id, account_id,
         case when intent = 'archived' then 'ended'
              when intent_reason in ('abuse', 'staff', 'asked', 'moving') then intent_reason
              else 'staff' end,
         coalesce(intent_reason, ''), coalesce(intent_at, created_at)
  from instances where intent in ('suspended', 'archived') and released_at is null;

alter table instances add column archive_proven_at timestamptz;
comment on column instances.archive_proven_at is
  'When a restore last proved an archive of everything on it. Nothing of a server that has stopped is destroyed without one that is younger than its stop.';

alter table subscriptions
  add column ended_at       timestamptz,            -- when it was over, by Stripe
  add column owed_since     timestamptz,            -- when the debt began that is being asked for; names its mails
  add column standing       text not null default 'good' check (standing in ('good', 'grace', 'suspended', 'ending', 'ended')),
  add column standing_since timestamptz,            -- when that began
  add column standing_until timestamptz,            -- when the next one begins at the earliest
  add column review_at      timestamptz,            -- when time alone will change something
  add column extended_until timestamptz,            -- staff give time until then
  add column wish           text check (wish in ('end_now', 'end_with_period', 'go_on')),  -- what its customer wants and Stripe does not know yet
  add column wish_at        timestamptz,
  add constraint subscriptions_wish check ((wish is null) = (wish_at is null));
create index subscriptions_review on subscriptions (review_at) where review_at is not null;

create table standing_mails (
  subscription_id uuid not null references subscriptions,
  episode         timestamptz not null,             -- when the debt or the end began that it is about
  step            text not null,                    -- such as owed:3, suspended, ending:0
  told_at         timestamptz not null,
  primary key (subscription_id, episode, step, told_at)
);
comment on table standing_mails is 'What customers were told of their standing: nothing follows from what they were not told. Kept when the mails are long forgotten.';

create table extensions (
  id              uuid primary key,
  subscription_id uuid not null references subscriptions,
  until           timestamptz not null,
  reason          text not null,
  staff_id        uuid not null references staff,
  created_at      timestamptz not null
);
create index extensions_subscription on extensions (subscription_id, created_at);
comment on table extensions is 'Time that staff have given a customer, with the reason.';

grant select on holds to paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant insert, delete on holds to paddock_staff, paddock_worker;
grant select, insert on standing_mails to paddock_worker;
grant select on standing_mails to paddock_staff;
grant select, insert on extensions to paddock_staff;
grant select on extensions to paddock_worker;
grant update (extended_until, review_at) on subscriptions to paddock_staff;
-- A customer says what should become of the subscription; a job tells Stripe.
grant update (wish, wish_at) on subscriptions to paddock_web;

-- Orders by which a server comes back are for one that had an order before; one of them at a time.
alter table orders drop constraint orders_instance_id_key;
create unique index orders_open_key on orders (instance_id) where state in ('placed', 'open');
create index orders_instance on orders (instance_id);

create or replace function enqueue_job(task text, payload json, key text, queue text, run_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  -- Inside this function current_user is its owner; the setting still says who asked.
  if current_setting('role') = 'paddock_web'
       and task not in ('send_mail', 'settle_order', 'sync_checkout', 'check_address', 'carry_wish', 'keep_waiting_list')
     or current_setting('role') = 'paddock_auth' and task not in ('send_mail', 'sync_checkout', 'sync_subscription') then
    raise exception 'role % may not enqueue the job %', current_setting('role'), task using errcode = 'insufficient_privilege';
  end if;
  perform graphile_worker.add_job(identifier => task, payload => payload, queue_name => queue, run_at => run_at, job_key => key);
end $$;

alter table holds enable row level security;
create policy own_account on holds to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on holds to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
