-- Staff have a second factor too, and without one they can do nothing: whose it is, is a person of the customers or one of the host's own.

alter table authenticators drop constraint authenticators_pkey;
alter table authenticators alter column person_id drop not null;
alter table authenticators add column staff_id uuid constraint authenticators_staff_key unique references staff on delete cascade;
alter table authenticators add column holder_id uuid generated always as (coalesce(person_id, staff_id)) stored;
alter table authenticators
  add constraint authenticators_person_key unique (person_id),
  add constraint authenticators_one_holder check (num_nonnulls(person_id, staff_id) = 1),
  add primary key (holder_id);

alter table recovery_codes drop constraint recovery_codes_pkey;
alter table recovery_codes alter column person_id drop not null;
alter table recovery_codes add column staff_id uuid references staff on delete cascade;
alter table recovery_codes add column holder_id uuid generated always as (coalesce(person_id, staff_id)) stored;
alter table recovery_codes
  add constraint recovery_codes_one_holder check (num_nonnulls(person_id, staff_id) = 1),
  add primary key (holder_id, code_hash);

-- Whoever of the staff is signed in has shown a password alone.
delete from sessions where staff_id is not null;
