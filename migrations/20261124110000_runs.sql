-- Runs: bounded pieces of work on a server that somebody asked for, and what came of each.

create table runs (
  id                uuid primary key,
  account_id        uuid not null references accounts,
  instance_id       uuid not null references instances,
  kind              text not null,                  -- the action's one word, such as media-removal
  action            jsonb not null,                 -- all of it, as it stands in the custom resource
  cancelled         boolean not null default false, -- wanted no more
  generation        bigint not null default 1,      -- counts changes of what is wanted
  pushed_generation bigint not null default 0,      -- the newest that the cluster's API server has taken
  pushed_at         timestamptz,                    -- when it first took one
  state             text not null check (state in
    ('requested', 'queued', 'waiting', 'running', 'succeeded', 'failed', 'timed_out', 'refused', 'cancelled')),
  reason            text,                           -- the operator's one word
  message           text,                           -- the operator's sentence
  position          integer,                        -- how many runs of the server come first
  output            text check (octet_length(output) <= 4096),  -- the end of what it printed
  started_at        timestamptz,
  finished_at       timestamptz,
  removed_at        timestamptz,                    -- when its custom resource was tidied away
  created_at        timestamptz not null,
  check (pushed_generation <= generation),
  check ((finished_at is not null) = (state in ('succeeded', 'failed', 'timed_out', 'refused', 'cancelled')))
);
create unique index runs_one_open_of_a_kind on runs (instance_id, kind) where finished_at is null;
create index runs_instance on runs (instance_id, id);
create index runs_to_push on runs (instance_id) where generation > pushed_generation and finished_at is null;
create index runs_to_remove on runs (finished_at) where finished_at is not null and removed_at is null;
comment on table runs is 'Pieces of work on servers that somebody asked for. Kept as history.';

create function nudge_run() returns trigger language plpgsql as $$
begin
  if new.generation > new.pushed_generation and (tg_op = 'INSERT' or old.generation is distinct from new.generation) then
    perform pg_notify('paddock_fleet', '');
  end if;
  perform pg_notify('paddock_instance', new.instance_id::text);
  return null;
end $$;
create trigger runs_nudge after insert or update on runs for each row execute function nudge_run();
revoke all on function nudge_run() from public;

grant select, insert on runs to paddock_web;
grant update (cancelled, generation) on runs to paddock_web;
grant select on runs to paddock_staff, paddock_worker, paddock_fleet;
grant update (pushed_generation, pushed_at, state, reason, message, position, output, started_at, finished_at, removed_at) on runs to paddock_fleet;

alter table runs enable row level security;
create policy own_account on runs to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on runs to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
-- A customer's request asks, for a server of the same account; what became of it is not its to say.
create policy only_asked on runs as restrictive for insert to paddock_web
  with check (state = 'requested' and generation = 1 and pushed_generation = 0 and output is null
              and exists (select 1 from instances i where i.id = instance_id and i.account_id = runs.account_id));
