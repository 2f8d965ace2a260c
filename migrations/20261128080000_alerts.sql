-- Alerts: what somebody should look at. Each minute rules judge what the database knows (src/desk/alerts); what they find and what is not known
-- stands here, each with since when.

create table alert_rules (
  rule      text primary key,                       -- desk::alerts::Rule
  verdict   text not null check (verdict in ('quiet', 'firing', 'unknown')),
  since     timestamptz,                            -- since when it is so; null where it was never known
  n         bigint not null,                        -- what the rule counts; 0 unless it fires
  looked_at timestamptz not null                    -- when it was last judged: an old verdict is no verdict
);
comment on table alert_rules is 'What each rule said last.';

create table alerts (
  id              uuid primary key,
  rule            text not null,
  began_at        timestamptz not null,
  n               bigint not null,                  -- what the rule counts, as it was last seen
  quiet_since     timestamptz,                      -- quiet, but not for long enough to be over
  over_at         timestamptz,
  told_day        bigint not null default 0,        -- the day of it that was told last; 0: its beginning
  acknowledged_at timestamptz,                      -- somebody looks after it: nobody is reminded any more
  acknowledged_by uuid references staff,
  check ((acknowledged_at is null) = (acknowledged_by is null))
);
create unique index alerts_open_key on alerts (rule) where over_at is null;
create index alerts_over on alerts (over_at desc) where over_at is not null;
comment on table alerts is 'What fired, from its beginning to its end. One of a rule at a time.';

create table certificates (
  instance_id uuid primary key references instances,
  until       timestamptz not null,                 -- the last moment at which the certificate that visitors get is good
  seen_at     timestamptz not null
);
create index certificates_until on certificates (until);
comment on table certificates is 'Until when the certificate of each server is good, as a visitor sees it.';

create index stripe_events_source on stripe_events (source, received_at);

grant select, insert, update, delete on alert_rules, alerts to paddock_worker;
grant select on alert_rules, alerts to paddock_staff;
grant update (acknowledged_at, acknowledged_by) on alerts to paddock_staff;
grant select, insert, update, delete on certificates to paddock_worker;
grant select on certificates to paddock_staff;
