-- Calls of the API that carry a key and so are done once, however often they are sent.
create table calls_once (
  person_id   uuid not null references people on delete cascade,  -- who called
  key         text not null,                        -- the header idempotency-key
  fingerprint bytea not null,                       -- SHA-256 of account, method, path and body: the same key is for the same call
  status      smallint,                             -- of the answer; null while it is being done
  kind        text,                                 -- content type of the answer
  body        bytea,                                -- the answer
  begun_at    timestamptz not null,
  primary key (person_id, key)
);
create index calls_once_age on calls_once (begun_at);
comment on table calls_once is 'Answers to calls with a key, kept for a day.';
grant select, insert, update, delete on calls_once to paddock_auth;
grant select (begun_at), delete on calls_once to paddock_worker;
