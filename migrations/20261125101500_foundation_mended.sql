-- What an audit of the foundation found missing: that a card was declined, another wish on the waiting list, and how long steps usually
-- take, kept instead of counted anew for each page.

alter table orders add column declined_at timestamptz;  -- when a card of the customer was last declined while this waited for its payment

-- Whoever waits may want something else; position and date stay.
grant update (plan_code, domain) on waiting_list to paddock_web;

create table typical_times (
  step    text primary key,
  seconds double precision not null                 -- the middle of the newest hundred in step_times
);
comment on table typical_times is 'How long each step of building a server usually takes: written with step_times, read by every page.';
insert into typical_times
  select step, percentile_cont(0.5) within group (order by seconds)
  from (select step, seconds, row_number() over (partition by step order by finished_at desc) as nth from step_times) as recent
  where nth <= 100 group by step;
grant select on typical_times to paddock_web, paddock_staff, paddock_worker, paddock_fleet;
grant insert, update on typical_times to paddock_fleet;
grant select on step_times to paddock_fleet;

-- What is tidied up is found without reading the rest.
create index stripe_events_received on stripe_events (received_at);
create index mails_done on mails (created_at) where state <> 'owed';
