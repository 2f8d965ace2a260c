-- The two-person rule: what one of the staff asks for, another one agrees to, or nobody does it. One table for whatever is wired to it.

create table approvals (
  id         uuid primary key,
  kind       text not null check (kind in ('removal')),  -- what is asked for
  subject    text not null,                        -- id of what it is done to
  reason     text not null,
  asked_by   uuid not null references staff,
  asked_at   timestamptz not null,
  expires_at timestamptz not null,                 -- after that nobody agrees to it any more
  decision   text check (decision in ('given', 'refused', 'withdrawn', 'expired', 'void')),  -- null while it waits
  decided_by uuid references staff,                -- null where nobody decided
  decided_at timestamptz,
  check ((decision is null) = (decided_at is null)),
  check (decided_by is not null or coalesce(decision, 'void') in ('expired', 'void'))
);
create unique index approvals_open_key on approvals (kind, subject) where decision is null;
create index approvals_asked on approvals (asked_at);
comment on table approvals is 'What one of the staff asked for and another one had to agree to, with what became of it.';

grant select, insert, update (decision, decided_by, decided_at) on approvals to paddock_staff;

-- Removals that waited for their second step are asked for again.
update instances set removal_reason = null, removal_requested_at = null, removal_requested_by = null
where removal_requested_at is not null and removal_confirmed_at is null;
