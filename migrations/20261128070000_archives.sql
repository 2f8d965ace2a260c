-- Archives of servers: asked for by their people, written by a run, proven by another one, and gone after a while.

create table archives (
  id              uuid primary key,                -- also where it lies: archives/arc_… in the server's backup bucket
  account_id      uuid not null references accounts,
  instance_id     uuid not null references instances,
  run_id          uuid not null unique references runs,  -- the run that writes it
  scope           text not null check (scope in ('without_cache', 'database_only')),
  key_file        text check (octet_length(key_file) <= 4096),  -- the secret key that opens its secrets, itself sealed with a passphrase
  state           text not null check (state in ('requested', 'written', 'proven', 'failed', 'removed')),
  manifest        text check (manifest ~ '^[0-9a-f]{64}$'),     -- SHA-256 of its manifest
  signer          text,                            -- the public key that signed it
  bytes           bigint,
  parts           integer,
  objects         bigint,                          -- media files in it
  missing         bigint,                          -- media files that are not in it
  snapshot_at     timestamptz,                     -- as of when its database is
  written_at      timestamptz,
  proven_at       timestamptz,                     -- when a restore last proved it
  proof           jsonb,                           -- what was compared then
  proof_seconds   double precision,                -- how long that took
  proof_failure   text,                            -- why the last proof failed, until one succeeds
  proofs          integer not null default 0,      -- how often a proof was asked for since it was written
  expires_at      timestamptz,                     -- from then on nobody is given it any more, and its bytes go
  given_up_at     timestamptz,                     -- when somebody did not want it any more: its time is over then
  removed_at      timestamptz,                     -- when nothing of it was left in the bucket
  created_at      timestamptz not null,
  check (state in ('requested', 'failed') or
    num_nonnulls(manifest, signer, bytes, parts, objects, missing, snapshot_at, written_at, expires_at) = 9),
  check (state <> 'proven' or proven_at is not null),
  check (state <> 'removed' or removed_at is not null)
);
create index archives_instance on archives (instance_id, id);
create index archives_to_prove on archives (instance_id) where state = 'written';
create index archives_to_remove on archives (instance_id) where removed_at is null;
comment on table archives is 'Archives of servers. Kept as history when their bytes are gone.';

create function nudge_archive() returns trigger language plpgsql as $$
begin
  perform pg_notify('paddock_instance', new.instance_id::text);
  return null;
end $$;
create trigger archives_nudge after insert or update on archives for each row execute function nudge_archive();
revoke all on function nudge_archive() from public;

grant select, insert on archives to paddock_web;
grant update (given_up_at) on archives to paddock_web;
grant select on archives to paddock_staff, paddock_worker, paddock_fleet;
grant update (state, manifest, signer, bytes, parts, objects, missing, snapshot_at, written_at, proven_at, proof, proof_seconds, proof_failure,
  expires_at) on archives to paddock_fleet;
grant update (state, removed_at, proofs) on archives to paddock_worker;

alter table archives enable row level security;
create policy own_account on archives to paddock_web using (account_id = current_account()) with check (account_id = current_account());
create policy everything on archives to paddock_worker, paddock_fleet, paddock_staff using (true) with check (true);
-- A customer's request asks, for a server of the same account; what became of it is not its to say.
create policy only_asked on archives as restrictive for insert to paddock_web
  with check (state = 'requested' and manifest is null and proven_at is null and expires_at is null and proofs = 0
              and exists (select 1 from runs r where r.id = run_id and r.instance_id = archives.instance_id and r.account_id = archives.account_id));

-- Proofs are asked for by nobody but us.
grant insert on runs to paddock_worker;
-- Whoever proves an archive says so of the server as well.
grant update (archive_proven_at) on instances to paddock_fleet;

-- A server that has ended may go with one word of staff's where everything of it is in an archive that is proven and younger than its stop.
alter table instances
  add column removal_archive uuid references archives,             -- the archive because of which it may go
  add constraint instances_removal_archive check (removal_archive is null or removal_confirmed_at is not null);
grant update (removal_archive) on instances to paddock_staff;
