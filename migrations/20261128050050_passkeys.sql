-- Passkeys (WebAuthn): keys on somebody's devices that log in without a password. Each shows that they are there and who they are.

create table passkeys (
  id            uuid primary key,
  person_id     uuid not null references people on delete cascade,
  credential_id bytea not null constraint passkeys_credential_key unique,  -- as the device names it
  credential    jsonb not null,                     -- its public key and counter; no secret
  name          text not null,                      -- what they call it
  last_used_at  timestamptz,
  created_at    timestamptz not null
);
create index passkeys_person on passkeys (person_id);
comment on table passkeys is 'Keys on people''s devices that log in.';

create table spent_challenges (
  hash       bytea primary key,                     -- SHA-256 of what was asked: each question is answered once
  expires_at timestamptz not null                   -- when the question itself is too old
);
create index spent_challenges_age on spent_challenges (expires_at);
comment on table spent_challenges is 'Questions to passkeys that were answered.';

grant select, insert, update, delete on passkeys to paddock_auth;
grant select, insert on spent_challenges to paddock_auth;
grant select (expires_at), delete on spent_challenges to paddock_worker;
grant select (id, person_id, name, last_used_at, created_at) on passkeys to paddock_staff;
