# Another plan, another interval, storage packs.

fact-packs = Storage packs
billing-busy-change = The change that you asked for is on its way to the payment company.
billing-end-date = With a day of your choice
billing-end-date-note = Write the day below. Until then you pay as before; what is paid for beyond that day is not paid back.
billing-end-on = The last day on which your server runs
billing-end-date-wrong = Write a day from today on, at most two years ahead.

change-title = Change the plan
change-lead = Choose what your server should have. Before anything is changed you see what is due at once and what you pay from then on.
change-period = Paid
change-packs = Storage packs
change-packs-hint = Each is { $name }, for { $price }. Leave it at 0 for none.
change-packs-wrong = Write a whole number, such as 2.
change-packs-most = One server can have at most { $most } storage packs.
change-look = See what it costs
change-choose-plan = Choose a plan.
change-choose-period = Choose how often you want to pay.
change-same = Your server has that already.
change-not-now = The subscription is over, set to end, or not paid. Put that right first.
change-held = Your server does not run at the moment. Change its plan when it runs again.
change-not-offered = This plan is not sold any more.
change-no-room = There is no room for this where your server runs, or others wait for what there is. Write to us; we see to it.
change-unmeasured = This is smaller than what you have, and nobody has measured in the last days how much is on your server. Write to us; we see to it.
change-too-much-media = Your server has { $used } GiB of media, and this has room for { $room } GiB.
change-too-much-database = The database of your server has { $used } GiB, and this has room for { $room } GiB.
change-stale = What you saw is too long ago. Look again at what it costs.
change-noted = It is noted. The difference is charged in a moment, and your server follows.

change-review = What changes
change-before = You pay now
change-after = You pay from then on
change-due = Due at once: { $due }
change-charged = For what you get
change-given-back = For the time that you have paid and don't use
change-discount = Discounts
change-tax = Tax
change-credit-used = From your credit
change-credit-left = Stays as credit, for the next invoices
change-review-note = Prices are before tax where tax is not named. The amount is charged to your card. If that fails, nothing changes. This stands for 30 minutes.
change-starts-over = A new period begins with it; should that be some minutes later, the amount may differ by some cents, and by no more than an hour of what you have paid.
change-confirm = Change it and pay

# Why a change was not made, chosen in code
change-void-declined = The change that you asked for on { $time } was not made: your card was not charged. Put the card right, then try again.
change-void-price = The change that you asked for on { $time } was not made: it would have cost more than you saw. Look again at what it costs.
change-void-not-now = The change that you asked for on { $time } was not made: the subscription was over, or not paid, when its turn came.
change-void-refused = The change that you asked for on { $time } was not made: the payment company refused it. Nothing was charged. Write to us if it happens again.
