-- What became of each server's conditions, as the fleet saw it: its inside over time, for staff.

create table condition_changes (
  id          bigint generated always as identity primary key,
  instance_id uuid not null references instances,
  at          timestamptz not null,                 -- when the fleet saw it
  condition   text not null,
  status      text not null,
  reason      text not null,
  message     text not null
);
create index condition_changes_instance on condition_changes (instance_id, id desc);
create index condition_changes_at on condition_changes (at);
comment on table condition_changes is 'Each change of status or reason of a condition. Kept for ninety days.';

grant insert on condition_changes to paddock_fleet;
grant select on condition_changes to paddock_staff;
grant select, delete on condition_changes to paddock_worker;
