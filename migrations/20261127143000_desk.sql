-- What staff look at: incidents that they write and everybody reads, figures of the overview as they were, and indexes so that no list
-- costs more than the page of it that is shown.

create table incidents (
  id          uuid primary key,
  title       text not null check (char_length(title) between 3 and 120),
  impact      text not null check (impact in ('notice', 'degraded', 'outage')),
  state       text not null check (state in ('investigating', 'found', 'watching', 'over')),
  began_at    timestamptz not null,                 -- when customers began to notice, which staff may learn later
  over_at     timestamptz,                          -- when it was said to be over
  created_by  uuid not null references staff,
  created_at  timestamptz not null,
  updated_at  timestamptz not null,                 -- when something was last said about it
  check ((over_at is not null) = (state = 'over'))
);
create index incidents_open on incidents (id) where over_at is null;
comment on table incidents is 'What was not well, as staff told everybody. Nothing is set by a program.';

create table incident_updates (
  id          bigint generated always as identity primary key,
  incident_id uuid not null references incidents,
  at          timestamptz not null,
  state       text not null check (state in ('investigating', 'found', 'watching', 'over')),
  text        text not null check (char_length(text) between 3 and 2000),
  staff_id    uuid not null references staff
);
create index incident_updates_incident on incident_updates (incident_id, id);
comment on table incident_updates is 'What was said about an incident, oldest first. Nothing that was said is taken back.';

grant select, insert on incidents, incident_updates to paddock_staff;
grant update (state, over_at, updated_at) on incidents to paddock_staff;
grant select on incidents to paddock_worker;

create table figures (
  name  text not null,                              -- a figure of the overview
  at    timestamptz not null,                       -- the full hour that it was read in
  value bigint not null,                            -- a count, seconds or minor units
  primary key (name, at)
);
create index figures_at on figures (at);
comment on table figures is 'Figures of the overview, hour by hour, for their trend.';
grant select, insert, update, delete on figures to paddock_worker;
grant select on figures to paddock_staff;

-- Lists of staff begin at a row and read on from there, in one of these orders; a search is for how something begins.
create index instances_by_domain on instances ((domain collate "C"), id);
create index instances_by_web_domain on instances ((web_domain collate "C")) where web_domain is not null;
create index accounts_by_name on accounts ((lower(name) collate "C"), id);
create index people_by_email on people ((email_canonical collate "C"), id);
create index instances_to_look_at on instances (id)
  where intent <> 'absent' and released_at is null
    and (intent = 'running' and (ready_at is null or not observed @> '{"conditions": [{"type": "Ready", "status": "True"}]}')
         or observed @> '{"conditions": [{"type": "Stalled", "status": "True"}]}');
create index instances_unwell on instances (id)
  where released_at is null and intent = 'running' and ready_at is not null
    and not observed @> '{"conditions": [{"type": "Ready", "status": "True"}]}';
create index instances_stalled on instances (id)
  where released_at is null and intent <> 'absent' and observed @> '{"conditions": [{"type": "Stalled", "status": "True"}]}';
create index instances_unproven on instances (id) include (ready_at)
  where released_at is null and intent = 'running'
    and not coalesce(observed @> '{"conditions": [{"type": "RestoreProven", "status": "True"}]}', false);
create index instances_without_certificate on instances (id)
  where released_at is null and intent = 'running' and ready_at is not null
    and observed @> '{"conditions": [{"type": "CertificateReady", "status": "False"}]}';
create index instances_by_version on instances (mastodon_version, id) where released_at is null and intent in ('running', 'suspended');
create index subscriptions_unpaid on subscriptions (account_id) where open_invoice_since is not null;
create index subscriptions_account on subscriptions (account_id);
create index audit_events_subject on audit_events (subject, id);
create index audit_events_actor on audit_events (actor_id, id);
create index audit_events_action on audit_events (action, id);
create index orders_paid on orders (paid_at) where paid_at is not null;
