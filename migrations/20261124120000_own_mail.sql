-- A customer's own mail server: what may be shown of it, and all of it sealed to the operator's key. No password is ever here in the clear.

alter table instances
  add column own_mail        jsonb,        -- host, port, security, login, from
  add column own_mail_sealed text,         -- the same with the password: age ciphertext, armored
  add column own_mail_at     timestamptz;  -- when it was last set or taken away
alter table instances add constraint instances_own_mail_whole check ((own_mail is null) = (own_mail_sealed is null));
alter table instances add constraint instances_own_mail_sealed
  check (own_mail_sealed is null or own_mail_sealed like '-----BEGIN AGE ENCRYPTED FILE-----%');

-- A customer's request sets it for a server of its account; the new generation makes the fleet carry it on.
grant update (own_mail, own_mail_sealed, own_mail_at, generation) on instances to paddock_web;
