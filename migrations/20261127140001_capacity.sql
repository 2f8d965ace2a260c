-- Capacity is a vector: a cluster runs out of Services long before a number of servers would tell. What a cluster has is in its row, what
-- each server takes is in the row of its place, and src/capacity/place.rs decides.

-- ------------------------------------------------------------------------------------------------------------------ clusters

alter table clusters
  add column region           text not null default '',         -- where it stands, for people
  add column kubeconfig       text                              -- name of a file in the folder clusters.kubeconfigs; null: the pod's own
    check (kubeconfig ~ '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'),  -- service account. The credential itself never stands here
  add column namespace        text not null default 'paddock'   -- where its operator runs, which reads the releases there
    check (namespace ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  add column services         bigint not null default 0 check (services >= 0),
  add column pods             bigint not null default 0 check (pods >= 0),
  add column custom_resources bigint not null default 0 check (custom_resources >= 0),
  add column memory_mib       bigint not null default 0 check (memory_mib >= 0),
  add column cpu_milli        bigint not null default 0 check (cpu_milli >= 0),
  add column volumes          bigint not null default 0 check (volumes >= 0),
  add column volume_gib       bigint not null default 0 check (volume_gib >= 0),
  add column seen_at          timestamptz,                      -- when its API server last answered the fleet
  add column trouble          text,                             -- why it did not, the last time that it was asked; null: it did
  add constraint clusters_name_check check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$');
alter table clusters drop constraint clusters_state_check;
update clusters set state = 'drained' where state = 'closed';
alter table clusters add constraint clusters_state_check check (state in ('open', 'drained'));  -- drained: runs what it has, takes nothing new

-- A number of servers becomes the amounts of as many servers of the size that most people buy, and a quarter that is never promised.
update clusters set
  services = ceil(capacity * 4 / 0.75), pods = ceil(capacity * 11 / 0.75), custom_resources = ceil(capacity * 3 / 0.75),
  memory_mib = ceil(capacity * 5400::bigint / 0.75), cpu_milli = ceil(capacity * 2400::bigint / 0.75),
  volumes = ceil(capacity * 2 / 0.75), volume_gib = ceil(capacity * 42::bigint / 0.75);
drop function places_left();
drop function cluster_with_room();
alter table clusters drop column capacity;

-- -------------------------------------------------------------------------------------------------------------------- places

-- What the server takes: plan::Size::footprint of its size.
alter table places
  add column services         bigint not null default 4,
  add column pods             bigint not null default 0,
  add column custom_resources bigint not null default 3,
  add column memory_mib       bigint not null default 0,
  add column cpu_milli        bigint not null default 0,
  add column volumes          bigint not null default 0,
  add column volume_gib       bigint not null default 0;
update places p set
  pods = (s #>> '{web,replicas}')::bigint + (s #>> '{streaming,replicas}')::bigint + (s #>> '{sidekiq,replicas}')::bigint
    + (s #>> '{database,instances}')::bigint + 7,
  memory_mib = (s #>> '{web,replicas}')::bigint * (s #>> '{web,memory_mib}')::bigint
    + (s #>> '{streaming,replicas}')::bigint * (s #>> '{streaming,memory_mib}')::bigint
    + (s #>> '{sidekiq,replicas}')::bigint * (s #>> '{sidekiq,memory_mib}')::bigint
    + (s #>> '{database,instances}')::bigint * (s #>> '{database,memory_mib}')::bigint
    + (s #>> '{scheduler,memory_mib}')::bigint + (s #>> '{cache,memory_mib}')::bigint,
  cpu_milli = (s #>> '{web,replicas}')::bigint * (s #>> '{web,cpu_milli}')::bigint
    + (s #>> '{streaming,replicas}')::bigint * (s #>> '{streaming,cpu_milli}')::bigint
    + (s #>> '{sidekiq,replicas}')::bigint * (s #>> '{sidekiq,cpu_milli}')::bigint
    + (s #>> '{database,instances}')::bigint * (s #>> '{database,cpu_milli}')::bigint
    + (s #>> '{scheduler,cpu_milli}')::bigint + 50,
  volumes = (s #>> '{database,instances}')::bigint + 1,
  volume_gib = (s #>> '{database,instances}')::bigint * (s #>> '{database,storage_gib}')::bigint + (s #>> '{cache,storage_gib}')::bigint
  from (select id, size as s from instances) as sized where sized.id = p.instance_id;
alter table places
  alter column services drop default, alter column pods drop default, alter column custom_resources drop default,
  alter column memory_mib drop default, alter column cpu_milli drop default, alter column volumes drop default,
  alter column volume_gib drop default;

-- The open clusters, what each has and what is taken of it: sums, and no row of anybody's. With `reserving` other orders wait here until
-- the transaction ends, so that two can't take the last place; the insert into `places` must follow in the same transaction.
create function open_clusters(reserving boolean)
  returns table (id uuid, has jsonb, taken jsonb, seen_at timestamptz, trouble text)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  if reserving then
    perform pg_advisory_xact_lock(hashtext('paddock.places'));
  end if;
  return query
    select c.id,
      jsonb_build_object('services', c.services, 'pods', c.pods, 'custom_resources', c.custom_resources, 'memory_mib', c.memory_mib,
        'cpu_milli', c.cpu_milli, 'volumes', c.volumes, 'volume_gib', c.volume_gib),
      jsonb_build_object('services', coalesce(sum(p.services), 0), 'pods', coalesce(sum(p.pods), 0),
        'custom_resources', coalesce(sum(p.custom_resources), 0), 'memory_mib', coalesce(sum(p.memory_mib), 0),
        'cpu_milli', coalesce(sum(p.cpu_milli), 0), 'volumes', coalesce(sum(p.volumes), 0),
        'volume_gib', coalesce(sum(p.volume_gib), 0)),
      c.seen_at, c.trouble
    from clusters c left join places p on p.cluster_id = c.id and p.state <> 'freed'
    where c.state = 'open' group by c.id;
end $$;

-- Nudges carry nothing: a cluster that was added or changed is looked at sooner.
create function nudge_clusters() returns trigger language plpgsql as $$
begin
  perform pg_notify('paddock_clusters', '');
  return null;
end $$;
create trigger clusters_nudge after insert or update of kubeconfig, namespace on clusters for each statement execute function nudge_clusters();

-- -------------------------------------------------------------------------------------------------------------------- rights

revoke all on function open_clusters(boolean) from public;
grant execute on function open_clusters(boolean) to paddock_web, paddock_worker, paddock_staff;
revoke insert, update on clusters from paddock_fleet, paddock_worker;
grant update (seen_at, trouble) on clusters to paddock_fleet;
grant insert on clusters to paddock_staff;
grant update (state, services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib) on clusters to paddock_staff;
