-- What staff have to answer in time: reports of abuse, requests of authorities, requests about personal data. And what they tell customers.

create table cases (
  id          uuid primary key,
  kind        text not null check (kind in ('abuse', 'legal', 'privacy')),
  title       text not null check (char_length(title) between 3 and 120),
  sender      text not null check (char_length(sender) between 1 and 200),  -- who wrote, and under which mark of theirs
  instance_id uuid references instances,            -- which server it is about, if one
  received_at timestamptz not null,
  due_at      timestamptz not null,                 -- when it has to be answered
  closed_at   timestamptz,
  outcome     text check (outcome in ('acted', 'refused', 'not_ours', 'withdrawn')),
  created_by  uuid not null references staff,
  created_at  timestamptz not null,
  check ((closed_at is null) = (outcome is null))
);
create index cases_open on cases (due_at, id) where closed_at is null;
create index cases_closed on cases (closed_at desc, id) where closed_at is not null;
create index cases_instance on cases (instance_id) where instance_id is not null;
comment on table cases is 'Reports of abuse and requests, each with its deadline.';

create table case_notes (
  id       bigint generated always as identity primary key,
  case_id  uuid not null references cases,
  at       timestamptz not null,
  text     text not null check (char_length(text) between 3 and 4000),
  staff_id uuid not null references staff
);
create index case_notes_case on case_notes (case_id, id);
comment on table case_notes is 'What was found and done about a case, oldest first. Nothing is taken back.';

create table announcements (
  id         uuid primary key,
  title      text not null check (char_length(title) between 3 and 120),
  text       text not null check (char_length(text) between 3 and 2000),
  from_at    timestamptz not null,                  -- shown from then
  until_at   timestamptz not null,                  -- until then
  by_mail    boolean not null,                      -- whoever has a server gets a mail as well
  created_by uuid not null references staff,
  created_at timestamptz not null,
  ended_at   timestamptz,                           -- taken down before its time
  check (until_at > from_at)
);
create index announcements_until on announcements (until_at);
comment on table announcements is 'What the host tells all its customers, on the page of their servers.';

grant select, insert on cases, case_notes, announcements to paddock_staff;
grant update (due_at, closed_at, outcome) on cases to paddock_staff;
grant update (ended_at) on announcements to paddock_staff;
grant select (id, title, text, from_at, until_at, ended_at) on announcements to paddock_web;
grant select on announcements to paddock_worker;
