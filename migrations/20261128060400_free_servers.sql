-- Servers that the host gives away: an order that has one costs nothing, and Stripe never hears of it.

create table free_servers (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  plan_code    text not null,
  reason       text not null,
  staff_id     uuid not null references staff,
  created_at   timestamptz not null,
  withdrawn_at timestamptz
);
create index free_servers_account on free_servers (account_id, id);
comment on table free_servers is 'Servers that staff have given to accounts, with the reason. The order that has one names it.';

alter table orders
  add column free_id uuid references free_servers,  -- why it costs nothing
  drop constraint orders_amount_minor_check,
  add constraint orders_amount_minor_check check (amount_minor >= 0 and (amount_minor = 0) = (free_id is not null));
-- One that nobody took in time can be ordered again.
create unique index orders_free_key on orders (free_id) where state <> 'expired';

grant select, insert on free_servers to paddock_staff;
grant update (withdrawn_at) on free_servers to paddock_staff;
grant select on free_servers to paddock_web, paddock_worker;
alter table free_servers enable row level security;
create policy own_account on free_servers to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on free_servers to paddock_worker, paddock_staff using (true) with check (true);

-- Whatever a customer's request is made to say: only what was given to its account, for that plan, costs nothing.
create policy only_given on orders as restrictive for insert to paddock_web
  with check (free_id is null or exists (
    select from free_servers f
    where f.id = free_id and f.account_id = orders.account_id and f.plan_code = orders.plan_code and f.withdrawn_at is null));

create or replace function enqueue_job(task text, payload json, key text, queue text, run_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  -- Inside this function current_user is its owner; the setting still says who asked.
  if current_setting('role') = 'paddock_web'
       and task not in ('send_mail', 'settle_order', 'sync_checkout', 'check_address', 'carry_wish', 'carry_change', 'take_free',
                        'keep_waiting_list')
     or current_setting('role') = 'paddock_auth' and task not in ('send_mail', 'sync_checkout', 'sync_subscription') then
    raise exception 'role % may not enqueue the job %', current_setting('role'), task using errcode = 'insufficient_privilege';
  end if;
  perform graphile_worker.add_job(identifier => task, payload => payload, queue_name => queue, run_at => run_at, job_key => key);
end $$;
