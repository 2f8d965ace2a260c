-- Signing in: a second factor, what a session is known by, browsers that were seen before, and how often somebody may try.

-- `half`: the password was right, and the second factor is still to come; good for nothing else.
alter table sessions drop constraint sessions_kind_check;
alter table sessions add constraint sessions_kind_check check (kind in ('browser', 'api', 'half'));
alter table sessions add column id uuid not null default gen_random_uuid() constraint sessions_id_key unique;  -- names it on the list; no secret
alter table sessions add column network text not null default '';  -- address that it was begun from

create table authenticators (
  person_id    uuid primary key references people on delete cascade,
  seed         bytea not null,                      -- random; the app's secret is its MAC under the host's key, so that this table alone makes no code
  confirmed_at timestamptz,                         -- since when logging in takes a code; null while it is being set up
  last_step    bigint not null default 0,           -- newest 30 seconds whose code was taken: no code counts twice
  created_at   timestamptz not null
);
comment on table authenticators is 'The second factor: codes of an authenticator app (RFC 6238).';

create table recovery_codes (
  person_id uuid not null references people on delete cascade,
  code_hash bytea not null,                         -- SHA-256; the codes have 80 random bits
  used_at   timestamptz,                            -- one use
  primary key (person_id, code_hash)
);
comment on table recovery_codes is 'Codes for whoever has lost the authenticator app. Shown once.';

create table devices (
  secret_hash   bytea not null,                     -- SHA-256 of the secret in a cookie, or of what a program says of itself
  person_id     uuid not null references people on delete cascade,
  first_seen_at timestamptz not null,
  last_seen_at  timestamptz not null,
  primary key (secret_hash, person_id)
);
create index devices_age on devices (last_seen_at);
comment on table devices is 'Browsers and programs that somebody has logged in from.';

create table log_in_attempts (
  scope text not null check (scope in ('account', 'device', 'network')),
  key   bytea not null,                             -- MAC of what is counted: no address of anybody is kept here
  count integer not null,
  since timestamptz not null,                       -- begin of the window that is counted
  primary key (scope, key)
);
create index log_in_attempts_age on log_in_attempts (since);
comment on table log_in_attempts is 'How often a log-in was tried and failed, for the throttle.';

create table address_changes (
  id               uuid primary key,                -- the links carry it together with a MAC under our key
  person_id        uuid not null references people on delete cascade,
  email            text not null,                   -- the address that is to be
  email_canonical  text not null,
  old_confirmed_at timestamptz,                     -- when the owner of the present address agreed
  new_confirmed_at timestamptz,                     -- when the owner of the new one did
  state            text not null check (state in ('open', 'done', 'replaced')),
  expires_at       timestamptz not null,
  created_at       timestamptz not null
);
create unique index address_changes_open_key on address_changes (person_id) where state = 'open';
comment on table address_changes is 'Changes of the address that somebody logs in with. Both addresses have to agree.';

grant select, insert, update, delete on authenticators, recovery_codes, devices, log_in_attempts to paddock_auth;
grant select, insert, update on address_changes to paddock_auth;
grant select (last_seen_at), delete on devices to paddock_worker;
grant select (since), delete on log_in_attempts to paddock_worker;
grant select (expires_at), delete on address_changes to paddock_worker;
