-- What came since goes with an account as well: archives, usage, looks of staff; and with its books what was changed, given back and given away.

-- Erases the account that the transaction acts for: 'erased', or what is in the way: 'members', 'servers', 'again'. The caller writes the
-- ledger in the same transaction. What stays: orders and subscriptions with what was changed, given back and given away, consents, the log, and
-- the names of servers that there were.
create or replace function erase_account(erased uuid, moment timestamptz) returns text
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
  update instances set removal_archive = null where account_id = erased and removal_archive is not null;
  delete from archives where account_id = erased;
  delete from runs where account_id = erased;
  delete from usage_days where account_id = erased;
  delete from staff_accesses where account_id = erased;
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
create or replace function forget_kept(moment timestamptz) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  due   record;
  count bigint := 0;
begin
  for due in select account_id, what from erasure_keeps where until <= moment and gone_at is null for update skip locked loop
    if due.what = 'books' then
      delete from extensions where subscription_id in (select id from subscriptions where account_id = due.account_id);
      delete from standing_mails where subscription_id in (select id from subscriptions where account_id = due.account_id);
      delete from changes where account_id = due.account_id;
      delete from givings where account_id = due.account_id;
      delete from subscriptions where account_id = due.account_id;
      delete from orders where account_id = due.account_id;
      delete from free_servers where account_id = due.account_id;
      update accounts set stripe_customer_id = null where id = due.account_id;
    elsif due.what = 'consents' then
      delete from consents where account_id = due.account_id;
    end if;
    update erasure_keeps set gone_at = moment where account_id = due.account_id and what = due.what;
    count := count + 1;
  end loop;
  return count;
end $$;
