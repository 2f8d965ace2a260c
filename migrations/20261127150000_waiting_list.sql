-- The waiting list completed: who is next is invited, and a place is kept for them until a deadline. One list for all plans, in order: who waits
-- for a large server is not overtaken by those who wait for small ones.

alter table waiting_list drop constraint waiting_list_state_check;
alter table waiting_list
  add column invited_at    timestamptz,             -- when a place was first kept for it
  add column invited_until timestamptz,             -- until when
  add column order_id      uuid references orders,  -- what it became
  -- what the server takes that is waited for, as in its place: plan::Size::footprint; of entries from before, that of the size that most people buy
  add column needs         jsonb not null default
    '{"services": 4, "pods": 11, "custom_resources": 3, "memory_mib": 5400, "cpu_milli": 2400, "volumes": 2, "volume_gib": 42}',
  -- ordered: it became an order; lapsed: nobody ordered in time
  add constraint waiting_list_state_check check (state in ('waiting', 'left', 'invited', 'ordered', 'lapsed')),
  add constraint waiting_list_invited check (state <> 'invited' or invited_until is not null),
  add constraint waiting_list_ordered check ((state = 'ordered') = (order_id is not null));
alter table waiting_list alter column needs drop default;
drop index waiting_list_one_each;
create unique index waiting_list_one_each on waiting_list (account_id) where state in ('waiting', 'invited');
create index waiting_list_order on waiting_list (created_at, id) where state in ('waiting', 'invited');
create index waiting_list_invited_at on waiting_list (invited_at) where invited_at is not null;
create index waiting_list_orders on waiting_list (order_id) where order_id is not null;

-- A customer's request joins, and changes the wish. Everything else about an entry goes through the functions below.
revoke update (state) on waiting_list from paddock_web;
grant update (needs) on waiting_list to paddock_web;
create policy only_joined on waiting_list as restrictive for insert to paddock_web
  with check (state = 'waiting' and invited_at is null and invited_until is null and order_id is null);

-- Who stands before an entry, and itself: those who wait, who were invited and have not decided, and whose order is not paid yet. So it
-- never grows.
create or replace function waiting_position(entry uuid) returns bigint
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select count(*) from waiting_list w, waiting_list mine
  where mine.id = entry and (w.created_at, w.id) <= (mine.created_at, mine.id)
    and (w.state in ('waiting', 'invited')
         or w.state = 'ordered' and exists (select from orders o where o.id = w.order_id and o.state in ('placed', 'open')))
$$;

-- What the servers need for which room is kept before this account has any: those that others are invited for; and, unless a place is kept
-- for it too, those of all who stand before it. Without an account: for whoever comes new. No row of anybody's: src/capacity/place.rs decides.
create function waiting_ahead(whose uuid) returns table (needs jsonb, invited boolean)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  with mine as (select state, created_at, id from waiting_list where account_id = whose and state in ('waiting', 'invited'))
  select w.needs, w.state = 'invited' from waiting_list w
  where w.account_id is distinct from whose
    and (w.state = 'invited'
         or w.state = 'waiting' and not exists (select from mine where mine.state = 'invited' or (mine.created_at, mine.id) < (w.created_at, w.id)))
  order by w.state = 'invited' desc, w.created_at, w.id
$$;

-- The account that acts leaves the list; the entry, or null when it does not wait.
create function leave_waiting_list() returns uuid
language sql volatile security definer set search_path = pg_catalog, public, pg_temp as $$
  update waiting_list set state = 'left', invited_until = null
  where account_id = current_account() and state in ('waiting', 'invited') returning id
$$;

-- The entry of the account that acts has become this order of its own; the entry, or null when it did not wait.
create function order_from_waiting_list(ordered uuid) returns uuid
language sql volatile security definer set search_path = pg_catalog, public, pg_temp as $$
  update waiting_list set state = 'ordered', order_id = ordered
  where account_id = current_account() and state in ('waiting', 'invited')
    and exists (select from orders o where o.id = ordered and o.account_id = current_account()) returning id
$$;

-- Whether anybody waits for a place that becomes free.
create function somebody_waits() returns boolean
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select exists (select from waiting_list where state = 'waiting')
$$;

-- How many were invited since then, and since when the list has been there, at the earliest since then.
create function waiting_history(since timestamptz) returns table (served bigint, observed_since timestamptz)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select count(*) filter (where invited_at >= since), greatest(since, coalesce(min(created_at), since)) from waiting_list
$$;

revoke all on function waiting_ahead(uuid), leave_waiting_list(), order_from_waiting_list(uuid), somebody_waits(),
  waiting_history(timestamptz) from public;
grant execute on function waiting_ahead(uuid), waiting_history(timestamptz)
  to paddock_web, paddock_worker, paddock_staff;
grant execute on function leave_waiting_list(), order_from_waiting_list(uuid) to paddock_web;
grant execute on function somebody_waits() to paddock_web, paddock_worker, paddock_staff, paddock_fleet;
