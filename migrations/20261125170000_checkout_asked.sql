-- What Stripe was asked for is kept, so that asking again asks for the same whatever became of catalogue and configuration. It is written
-- before Stripe is asked: an order without it has no session anywhere. (One that was asked for before this column was there, and whose answer
-- was lost just then, looks like that too; if it is paid all the same, staff are told.)

alter table orders
  add column asked_price text,                        -- Stripe's price
  add column asked_base  text,                        -- where the pages were: the way back from the payment
  add constraint orders_asked check ((asked_price is null) = (asked_base is null));
grant update (asked_price, asked_base) on orders to paddock_web;
