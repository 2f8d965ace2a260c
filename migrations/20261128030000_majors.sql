-- Another major release of what holds a server's data: staff ask for it by name, for one server at a time.

alter table instances
  add column postgres_major smallint check (postgres_major between 10 and 99),  -- asked for; what runs stays where nothing is asked for
  add column valkey_major   smallint check (valkey_major between 7 and 99);     -- the same

grant update (postgres_major, valkey_major) on instances to paddock_staff;
