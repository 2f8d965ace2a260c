-- Break-glass: staff look into a customer's account with a session of its own kind, for a reason and a ticket, half an hour at the most. The
-- customer is told, sees it in their log, ends it when they like, and alone lets staff change anything.

create table staff_accesses (
  id          uuid primary key,
  secret_hash bytea not null constraint staff_accesses_secret_key unique,  -- SHA-256 of the secret in the cookie
  staff_id    uuid not null references staff,
  account_id  uuid not null references accounts,
  reason      text not null,
  ticket      text not null,                        -- which question of which customer it is about
  began_at    timestamptz not null,
  ends_at     timestamptz not null,                 -- never later, whatever is done with it
  ended_at    timestamptz,                          -- when somebody ended it before that
  ended_by    text check (ended_by in ('staff', 'customer')),
  changes_at  timestamptz,                          -- since when they may change things as well
  changes_by  uuid references people,               -- the member who lets them
  check (ends_at > began_at and ends_at <= began_at + interval '30 minutes'),
  check (num_nonnulls(ended_at, ended_by) in (0, 2)),
  check (num_nonnulls(changes_at, changes_by) in (0, 2))
);
create index staff_accesses_account on staff_accesses (account_id, began_at);
comment on table staff_accesses is 'When staff looked into a customer''s account, why, and what they were let do.';

grant select, insert, update (ended_at, ended_by, changes_at, changes_by) on staff_accesses to paddock_auth;
grant select (id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, ended_by, changes_at, changes_by) on staff_accesses
  to paddock_web, paddock_staff;

alter table staff_accesses enable row level security;
create policy own_account on staff_accesses to paddock_web using (account_id = current_account());
create policy everything on staff_accesses to paddock_auth, paddock_staff, paddock_worker, paddock_fleet using (true) with check (true);
create policy only_of_the_named on staff_accesses as restrictive for update to paddock_auth using (account_id = current_account());

-- In a customer's transaction an entry says that one of its people did it, or one of the staff whom they let change things just now.
drop policy only_in_person on audit_events;
create policy only_in_person on audit_events as restrictive for insert to paddock_web with check (
  actor_kind = 'person'
  or actor_kind = 'staff' and exists (
    select from staff_accesses a
    where a.account_id = current_account() and a.changes_at is not null and a.ended_at is null and a.ends_at > now()
  )
);
