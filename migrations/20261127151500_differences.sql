-- Stripe's events are kept first and handed on afterwards; those that only Stripe's list told of are marked. And where our rows and
-- Stripe do not agree.

alter table stripe_events
  add column source     text not null default 'webhook' check (source in ('webhook', 'list')),
  add column handled_at timestamptz;               -- when its jobs were enqueued
update stripe_events set handled_at = received_at;
create index stripe_events_unhandled on stripe_events (received_at) where handled_at is null;

create table stripe_reading (
  only_row       boolean primary key default true check (only_row),
  events_cursor  text,                              -- the event up to which Stripe's list was read
  events_read_at timestamptz,
  compared_at    timestamptz,                       -- when everything was last compared
  compared       bigint not null default 0          -- subscriptions and sessions that were
);
insert into stripe_reading default values;
comment on table stripe_reading is 'How far Stripe was read. One row.';

create table differences (
  id       bigint generated always as identity primary key,
  subject  text not null,                           -- Stripe's id of the subscription or session
  what     text not null,                           -- which of its facts
  ours     text not null,
  theirs   text not null,
  found_at timestamptz not null,
  seen_at  timestamptz not null,
  gone_at  timestamptz
);
create unique index differences_open on differences (subject, what) where gone_at is null;
comment on table differences is 'Where our rows and Stripe did not agree when they were compared. Expected: none that is not gone.';

grant select, update on stripe_reading to paddock_worker;
grant select, insert, update, delete on differences to paddock_worker;
grant select on stripe_reading, differences to paddock_staff;
