-- Privacy: what was agreed to and when, the end of an account, and the ledger of what has to stay of it.

create table consents (
  account_id uuid not null references accounts,
  document   text not null check (document in ('terms', 'dpa')),
  version    text not null,                         -- the day from which that wording holds
  person_id  uuid not null references people,       -- who agreed
  at         timestamptz not null,
  primary key (account_id, document, version)
);
comment on table consents is 'Which wording of which document an account has agreed to.';

create table erasures (
  account_id uuid primary key references accounts,
  at         timestamptz not null
);
comment on table erasures is 'Accounts that were erased.';

create table erasure_keeps (
  account_id uuid not null references erasures,
  what       text not null check (what in ('books', 'consents', 'log', 'addresses')),
  why        text not null,                         -- as it was told at the time
  until      timestamptz,                           -- when it goes as well; null: it stays
  gone_at    timestamptz,                           -- when it went
  primary key (account_id, what)
);
create index erasure_keeps_due on erasure_keeps (until) where gone_at is null;
comment on table erasure_keeps is 'What has to stay of an erased account, why, and until when.';

grant select, insert on consents to paddock_web;
grant select on consents to paddock_staff;
grant select, insert on erasures, erasure_keeps to paddock_auth;
grant select on erasures, erasure_keeps to paddock_web, paddock_staff;
-- For the copy of everything that somebody may ask for. No hash is in it.
grant select (id, account_id, person_id, name, scope, instance_id, expires_at, last_used_at, created_at) on api_tokens to paddock_web;
grant select (recipient, notice, state, sent_at, created_at) on mails to paddock_auth;

do $$
declare t text;
begin
  foreach t in array array['consents', 'erasures', 'erasure_keeps'] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy own_account on %I to paddock_web using (account_id = current_account()) with check (account_id = current_account())', t);
    execute format('create policy everything on %I to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true)', t);
  end loop;
end $$;

-- Erases the account that the transaction acts for: 'erased', or what is in the way: 'members', 'servers', 'again'. The caller writes the
-- ledger in the same transaction. What stays: orders and subscriptions, consents, the log, and the names of servers that there were.
create function erase_account(erased uuid, moment timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  owner   uuid;
  address text;
begin
  if erased is distinct from current_account() then
    raise exception 'only the account that is acted for can be erased' using errcode = 'insufficient_privilege';
  end if;
  -- Until this is over nothing new can refer to the account.
  perform from accounts where id = erased for update;
  if exists (select from erasures where account_id = erased) then return 'again'; end if;
  if (select count(*) from members where account_id = erased) <> 1 then return 'members'; end if;
  if exists (select from instances where account_id = erased and released_at is null) then return 'servers'; end if;
  select p.id, p.email into owner, address from members m join people p on p.id = m.person_id where m.account_id = erased;

  delete from second_contacts where account_id = erased;
  delete from api_tokens where account_id = erased;
  delete from invitations where account_id = erased;
  delete from hook_events where account_id = erased;
  delete from hook_endpoints where account_id = erased;
  delete from waiting_list where account_id = erased;
  delete from holds where account_id = erased;
  delete from runs where account_id = erased;
  delete from sessions where account_id = erased;
  delete from members where account_id = erased;
  update instances set owner_username = '', owner_email = '', own_mail = null, own_mail_sealed = null where account_id = erased;
  update accounts set name = '' where id = erased;

  -- Who acts for other accounts stays who they are.
  if not exists (select from members where person_id = owner) then
    delete from sessions where person_id = owner;
    delete from mail_tokens where person_id = owner;
    delete from authenticators where person_id = owner;
    delete from recovery_codes where person_id = owner;
    delete from passkeys where person_id = owner;
    delete from devices where person_id = owner;
    delete from address_changes where person_id = owner;
    delete from calls_once where person_id = owner;
    delete from api_tokens where person_id = owner;
    delete from mails where recipient = address and state <> 'owed';
    update people set email = '', email_canonical = 'erased:' || id, password_hash = '', verified_at = null where id = owner;
  end if;
  return 'erased';
end $$;

-- Takes away what had to stay until now. Returns how many things.
create function forget_kept(moment timestamptz) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  due   record;
  count bigint := 0;
begin
  for due in select account_id, what from erasure_keeps where until <= moment and gone_at is null for update skip locked loop
    if due.what = 'books' then
      delete from extensions where subscription_id in (select id from subscriptions where account_id = due.account_id);
      delete from standing_mails where subscription_id in (select id from subscriptions where account_id = due.account_id);
      delete from subscriptions where account_id = due.account_id;
      delete from orders where account_id = due.account_id;
      update accounts set stripe_customer_id = null where id = due.account_id;
    elsif due.what = 'consents' then
      delete from consents where account_id = due.account_id;
    end if;
    update erasure_keeps set gone_at = moment where account_id = due.account_id and what = due.what;
    count := count + 1;
  end loop;
  return count;
end $$;

revoke all on function erase_account(uuid, timestamptz), forget_kept(timestamptz) from public;
grant execute on function erase_account(uuid, timestamptz) to paddock_auth;
grant execute on function forget_kept(timestamptz) to paddock_worker;
