-- A database that was restored to an earlier time knows less than the clusters do.

alter table instances
  add column outrun_generation bigint,
  add column outrun_at timestamptz,
  add check ((outrun_generation is null) = (outrun_at is null));
comment on column instances.outrun_generation is 'The custom resource was found to be of this generation, which the row had not reached: what was asked for in between is lost. Until staff have looked.';
comment on column instances.outrun_at is 'When that was found.';

grant update (generation, pushed_generation, outrun_generation, outrun_at) on instances to paddock_fleet;
grant update (generation, outrun_generation, outrun_at) on instances to paddock_staff;

create index instances_outrun on instances (id) where outrun_generation is not null;
drop index instances_to_look_at;
create index instances_to_look_at on instances (id)
  where intent <> 'absent' and released_at is null
    and (intent = 'running' and (ready_at is null or not observed @> '{"conditions": [{"type": "Ready", "status": "True"}]}')
         or observed @> '{"conditions": [{"type": "Stalled", "status": "True"}]}'
         or outrun_generation is not null);
