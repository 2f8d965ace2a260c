-- What a payment page asks beside the card stands in the order's row, so that every repetition is the same request.

alter table orders
  add column asked_tax   boolean not null default false,  -- Stripe works out tax, and the page asks for address and tax id
  add column asked_codes boolean not null default false;  -- the page takes promo codes
grant update (asked_tax, asked_codes) on orders to paddock_web;
