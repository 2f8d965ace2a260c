-- Domains that customers bring: whether they point here, and who answers at the end of handles when the pages are elsewhere.

alter table instances
  add column local_domain text check (local_domain in ('served', 'elsewhere')),  -- with a web_domain: who answers at `domain`
  add column address_confirmed_at timestamptz,      -- when the customer's own domain was seen to point here; nothing is served before
  add column address_checked_at timestamptz,        -- when that was last looked at
  add check ((local_domain is null) = (web_domain is null));
update instances set local_domain = 'elsewhere' where web_domain is not null;
comment on column instances.address_confirmed_at is
  'Never unset by itself: a domain whose records are gone for a while is still its customer''s.';

-- Every name that a server answers under, its media among them.
create function address_names(domain text, web_domain text, hosted boolean) returns text[] language sql immutable as $$
  select array_remove(array[domain, web_domain, case when not hosted or web_domain is not null then 'files.' || coalesce(web_domain, domain) end], null)
$$;
revoke all on function address_names(text, text, boolean) from public;
grant execute on function address_names(text, text, boolean) to paddock_web, paddock_worker, paddock_fleet, paddock_staff;
create index instances_names on instances using gin (address_names(domain, web_domain, hosted));

-- Which of the names is taken: 'domain', 'web_domain', 'look_alike' or null. A name is also taken when it is where somebody's media
-- are, or the other way round. And one under the host's domain that has ever served stays with its account: other servers know the people there
-- by it, and would take a stranger for them.
create or replace function address_conflict(wanted text, wanted_web text, skeleton text, is_hosted boolean) returns text
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select case
    when exists (select 1 from instances i where i.released_at is null
                 and address_names(i.domain, i.web_domain, i.hosted) && array[wanted]) then 'domain'
    when is_hosted and exists (select 1 from instances i where i.ready_at is not null and i.account_id is distinct from current_account()
                 and address_names(i.domain, i.web_domain, i.hosted) && array[wanted]) then 'domain'
    when exists (select 1 from instances i where i.released_at is null
                 and address_names(i.domain, i.web_domain, i.hosted) && address_names(wanted, wanted_web, is_hosted))
      then case when wanted_web is null then 'domain' else 'web_domain' end
    when is_hosted and exists (select 1 from instances i where i.released_at is null and i.hosted and i.domain_skeleton = skeleton) then 'look_alike'
  end
$$;

create or replace function enqueue_job(task text, payload json, key text, queue text, run_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  -- Inside this function current_user is its owner; the setting still says who asked.
  if current_setting('role') = 'paddock_web' and task not in ('send_mail', 'settle_order', 'sync_checkout', 'check_address')
     or current_setting('role') = 'paddock_auth' and task not in ('send_mail', 'sync_checkout', 'sync_subscription') then
    raise exception 'role % may not enqueue the job %', current_setting('role'), task using errcode = 'insufficient_privilege';
  end if;
  perform graphile_worker.add_job(identifier => task, payload => payload, queue_name => queue, run_at => run_at, job_key => key);
end $$;

-- Whether a domain points here is for the worker to say.
drop policy only_ordered on instances;
create policy only_ordered on instances as restrictive for insert to paddock_web
  with check (intent = 'absent' and generation = 0 and pushed_generation = 0 and observed is null and ready_at is null and released_at is null
              and address_confirmed_at is null and local_domain is distinct from 'served');
