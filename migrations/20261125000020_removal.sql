-- The removal of servers that have ended, with all their data. Staff ask for it in two steps; the operator does it; the address and the
-- place are given back when it says that nothing is left.

alter table instances
  add column removal_reason       text,                            -- why staff want everything of it destroyed
  add column removal_requested_at timestamptz,                     -- the first step
  add column removal_requested_by uuid references staff,           -- who asked
  add column removal_confirmed_at timestamptz,                     -- the second step: from then on it can't be stopped
  add column removal_confirmed_by uuid references staff,           -- who confirmed; another person where there is one
  add constraint instances_removal_requested check (num_nonnulls(removal_reason, removal_requested_at, removal_requested_by) in (0, 3)),
  add constraint instances_removal_confirmed check (num_nonnulls(removal_confirmed_at, removal_confirmed_by) in (0, 2)
    and (removal_confirmed_at is null or removal_requested_at is not null)),
  add constraint instances_removal_after_end check (removal_confirmed_at is null or intent = 'archived' or released_at is not null);

comment on column instances.released_at is 'when the address was given back: an order that was never paid, or a server of which nothing is left';

-- Staff pause, resume and end servers, and ask for removals.
grant update (intent, intent_reason, intent_at, generation, removal_reason, removal_requested_at, removal_requested_by, removal_confirmed_at,
  removal_confirmed_by) on instances to paddock_staff;

-- Nothing is left of a server: its address and its place are given back. Whether it was one whose removal was confirmed, and was not given
-- back before. The fleet has no other way to an intent, an address or a place.
create function finish_removal(gone uuid, at timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  update instances set intent = 'absent', intent_at = at, released_at = at
  where id = gone and intent = 'archived' and removal_confirmed_at is not null and released_at is null;
  if not found then
    return false;
  end if;
  update places set state = 'freed' where instance_id = gone and state in ('reserved', 'confirmed');
  return true;
end $$;
revoke all on function finish_removal(uuid, timestamptz) from public;
grant execute on function finish_removal(uuid, timestamptz) to paddock_fleet;
