# An order's page beyond journey.ftl, a server's page, and times.
order-nothing-yet = As far as we know, nothing was charged.
order-not-opened = The payment page could not be opened yet.
order-confirming-slow = This takes longer than usual. If you paid, nothing is lost: we compare with the payment company until it is clear.
order-confirming-unpaid = I did not pay
order-ending = The order is being ended
order-ending-text = We make sure with the payment company that nobody can pay for { $address } any more. That takes a moment; a payment that was faster counts.
order-ended-text = { $address } was not paid for, so its place is free for others again.
order-full = Every place was taken a moment ago. Nothing was charged.
order-looks-taken = This address can be mistaken for one that is taken. Choose another.
order-web-domain-taken = The name for Mastodon itself is taken. Choose another.
order-too-many = Three of your orders wait for their payment. Pay one, or give one up, before you order again.
order-other-open = There is an order for this address already, and what you chose differs from it. Pay it as it is, or give it up and order again.
order-plan-gone = This plan is not sold any more. Give up the order and choose another plan.
order-stripe-away = The payment company does not answer just now. Your address and your place are kept; try again in a moment.

waiting-title = Waiting list
waiting-not = You are not on the waiting list
waiting-not-room = There are places at the moment. Choose an address to begin.
waiting-not-text = Every place is taken at the moment. Choose an address, and join the list at the end.
waiting-room = There is a place now. The first who orders gets it.
waiting-full = Every place is taken at the moment. Nothing was charged.
waiting-wish = You want { $address } with the plan { $plan }. The address is kept for you once you order, not before.
waiting-since = Joined on { $time }. When a place is free this page says so; you order then, or not.
waiting-order = Order now
waiting-left = You left the waiting list.
waiting-changed = This is what you wait for now, in place of what you chose before. Your position is the same.
waiting-room-now = There is a place after all. You can order now; check what you chose.

list-plan = { $plan }, { $price }
list-position = number { $position }
list-waiting = Nothing is charged while you wait.
price-month = { $price } a month
price-year = { $price } a year

phase-stuck = Taking longer than usual
phase-stuck-text = Its building is shown to the people who run this host as one to look at. Nothing is lost, and there is nothing for you to do.
phase-reserved-text = The address and a place are kept until the order is paid.
phase-degraded-text = It should run, and part of it does not answer. It is shown to the people who run this host; what people send to it now is delivered later by their servers.
phase-upgrading-text = A new release of Mastodon is being put in place. It stays reachable, apart from a few seconds.
phase-suspended-text = It is not running, and everything on it is kept. Other servers go on trying to deliver for a few days.
phase-leaving-text = It has ended. Its data is kept until its time is over.
phase-gone-text = Its address was given back.

since = since { $time }
until = until { $time }
span-seconds = { $s } s
span-minutes = { $m } min { $s } s
span-hours = { $h } h { $m } min
about-moments = a few seconds
about-seconds = about { $s } s
about-minutes = about { $m } min
about-hours = about { $h } h
age-minutes = { $n } min
age-hours = { $n } h
age-days = { $n } d
