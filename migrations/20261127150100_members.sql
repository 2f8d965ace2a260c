-- Accounts of several people: invitations, one owner at a time, and a second contact who can take over when the owner is gone.

-- Whoever changes the members of an account says which account in the transaction (Db::begin_members); without that, no row is touched.
create unique index members_one_owner on members (account_id) where role = 'owner';
grant update (role), delete on members to paddock_auth;
create policy only_of_the_named on members as restrictive for update to paddock_auth
  using (account_id = current_account()) with check (account_id = current_account());
create policy only_from_the_named on members as restrictive for delete to paddock_auth using (account_id = current_account());

create table invitations (
  id              uuid primary key,                 -- the link carries it together with a MAC under our key
  account_id      uuid not null references accounts,
  email           text not null,                    -- as written, for the mail
  email_canonical text not null,                    -- whoever joins must own this address
  role            text not null check (role in ('admin', 'billing', 'viewer')),
  invited_by      uuid not null references people,
  state           text not null check (state in ('open', 'accepted', 'withdrawn')),
  expires_at      timestamptz not null,
  created_at      timestamptz not null
);
create unique index invitations_open_key on invitations (account_id, email_canonical) where state = 'open';
comment on table invitations is 'Who was asked by mail to join an account, and as what.';

create table second_contacts (
  account_id    uuid primary key references accounts,
  person_id     uuid not null references people,
  nominated_at  timestamptz not null,
  take_over_due timestamptz,                        -- set when the contact has asked to take over: from then on they may
  foreign key (account_id, person_id) references members (account_id, person_id) on delete cascade
);
comment on table second_contacts is 'Who speaks for an account when its owner does not, and takes it over after everybody has been told and time has passed.';

grant select, insert, update on invitations to paddock_auth;
grant select, insert, update, delete on second_contacts to paddock_auth;
grant select on invitations, second_contacts to paddock_web, paddock_staff;
-- How many invitations an account has sent in a day is counted in its log.
grant select (account_id, action, at) on audit_events to paddock_auth;
do $$
declare t text;
begin
  foreach t in array array['invitations', 'second_contacts'] loop
    execute format('alter table %I enable row level security', t);
    execute format('create policy own_account on %I to paddock_web using (account_id = current_account()) with check (account_id = current_account())', t);
    execute format('create policy everything on %I to paddock_auth, paddock_worker, paddock_fleet, paddock_staff using (true) with check (true)', t);
    execute format('create policy only_of_the_named on %I as restrictive for update to paddock_auth using (account_id = current_account())', t);
  end loop;
end $$;
create policy only_from_the_named on second_contacts as restrictive for delete to paddock_auth using (account_id = current_account());

-- When the person last showed who they are, by logging in or by confirming it again: some routes want that to be a short while ago.
alter table sessions add column proven_at timestamptz;
update sessions set proven_at = created_at;
alter table sessions alter column proven_at set not null;
