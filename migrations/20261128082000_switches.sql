-- Switches: what the host turns off for a while. A row that is not there is on.

create table switches (
  name       text primary key,                      -- switch::Switch
  is_on      boolean not null,
  reason     text not null check (char_length(reason) between 3 and 200),  -- for the host's own people
  changed_at timestamptz not null,
  changed_by uuid not null references staff
);
comment on table switches is 'What the host has turned off, and when it was turned on again.';

grant select (name, is_on) on switches to paddock_web, paddock_auth;
grant select, insert, update on switches to paddock_staff;
