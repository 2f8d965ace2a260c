-- What was measured to lie on a server is kept with its days: one table of usage, with what the server tells and what was measured.

alter table usage_days
  add column measured_at timestamptz,               -- when media and database were measured, on that day
  add check (measured_at is null or media_bytes >= 0 and database_bytes >= 0);

insert into usage_days (instance_id, account_id, day, looks, answered, looked_at, media_bytes, database_bytes, measured_at)
select instance_id, account_id, (measured_at at time zone 'utc')::date, 0, 0, measured_at, media_bytes, database_bytes, measured_at from usages
on conflict (instance_id, day) do update
set media_bytes = excluded.media_bytes, database_bytes = excluded.database_bytes, measured_at = excluded.measured_at;
drop table usages;

create index usage_days_measured on usage_days (instance_id, day desc) where measured_at is not null;
