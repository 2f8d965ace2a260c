-- The chain over the audit log. Entries are written without it, so that no transaction waits for another; one job chains them afterwards.

alter table audit_events
  add column place bigint constraint audit_events_place_key unique,  -- in the chain, from 1 without a gap; null until the job has found it
  add column hash  bytea,                                            -- SHA-256 over the hash of the place before, and all of this row
  add constraint audit_events_chained check (num_nonnulls(place, hash) in (0, 2));
create index audit_events_unchained on audit_events (id) where place is null;

create table audit_checkpoints (
  place     bigint primary key references audit_events (place),
  hash      bytea not null,                         -- that of the place
  at        timestamptz not null,
  signer    bytea not null,                         -- public half of the key that signed
  signature bytea not null                          -- Ed25519 over place, hash and time
);
comment on table audit_checkpoints is 'Signed now and then: up to here the chain was so. Nobody who has the database alone makes one.';

-- An entry is written by whoever makes the change, and chained by the worker: once, and nothing else of it is ever changed.
revoke insert on audit_events from paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant insert (at, account_id, actor_kind, actor_id, action, subject, detail) on audit_events
  to paddock_auth, paddock_web, paddock_staff, paddock_worker, paddock_fleet;
revoke update on audit_events from paddock_worker;
grant update (place, hash) on audit_events to paddock_worker;
create policy only_once on audit_events as restrictive for update to paddock_worker using (place is null) with check (place is not null);
grant select, insert on audit_checkpoints to paddock_worker;
grant select on audit_checkpoints to paddock_staff;
