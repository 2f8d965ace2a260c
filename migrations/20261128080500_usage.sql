-- How each server is used, day by day, as its public pages tell it. What only the inside of a server knows (media, database, queues) has its
-- columns here too; they are null as long as nobody measures it.

create table usage_days (
  instance_id    uuid not null references instances,
  account_id     uuid not null references accounts,
  day            date not null,                     -- UTC
  looks          integer not null,                  -- how often it was asked on that day
  answered       integer not null,                  -- how often it answered
  users          bigint,                            -- the rest: as it was told last on that day
  active         bigint,                            -- people who were there within a month
  posts          bigint,                            -- written there
  media_bytes    bigint,
  database_bytes bigint,
  queue_seconds  bigint,                            -- how long the oldest job of the server itself waits
  looked_at      timestamptz not null,
  seen_at        timestamptz,                       -- when it last answered
  trouble        text,                              -- why it did not, the last time: a key of the locale files
  primary key (instance_id, day),
  check (answered <= looks)
);
create index usage_days_day on usage_days (day);
comment on table usage_days is 'What a server told of its use, one row a day.';

grant select, insert, update, delete on usage_days to paddock_worker;
grant select on usage_days to paddock_web, paddock_staff;

alter table usage_days enable row level security;
create policy own_account on usage_days to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on usage_days to paddock_worker, paddock_staff using (true) with check (true);
