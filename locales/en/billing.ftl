# Where a subscription stands, what follows when nobody pays, and its end.

# Standings, chosen in code
standing-good = Paid
standing-grace = Payment due
standing-suspended = Not paid, paused
standing-ending = Ending
standing-ended = Over

staff-fact-standing = Subscription stands
staff-fact-standing-until = Stays so at least until
staff-fact-extended = Time given until

extend-title = Give this customer time
extend-lead = Nothing that follows from a missing payment, or from the end of the subscription, happens before the time you give is over. A server that is paused because it is not paid runs again until then.
extend-days = Days, counted from today
extend-days-hint = From 1 to 365. Time that was given before is never taken back.
extend-days-wrong = Write a number of days from 1 to 365.
extend-reason = Why
extend-reason-hint = For the audit log, and for whoever looks next.
extend-reason-length = Write a reason of 3 to 200 characters.
extend-button = Give time
extend-nothing-due = Nothing is asked of this customer at the moment, so there is no time to give.
extend-done = The time is given. What follows from it is done in a moment.
extend-given = Time given so far
extend-by = on { $time } by { $who }
fact-ends = Ends on
fact-ended = Ended on
standing-leaving = Paid, and set to end

billing-title = Subscription
billing-link = Subscription
billing-leaving-text = It ends on { $time }. Until then your server runs as before, and nothing more is charged. After that everything on it is kept until { $kept }.
billing-grace-text = A payment did not go through. Your server runs on; if nothing is paid by { $time }, it is paused. Put the card right, or pay, on the page below.
billing-suspended-text = Your server is paused because it is not paid. It runs again by itself as soon as it is. It begins to end on { $time } if nothing is paid until then.
billing-ending-text = Your server has stopped. Everything on it is kept until { $time }, and until then you can take it up again as it was.
billing-ending-waits-text = Your server has stopped. Its time is over; everything on it is kept until an archive of it has been made and proven.
billing-ended-text = The time of this server is over, and an archive of it is proven.
billing-held-lead = Your server does not run for another reason as well. Paying does not change that; write to us about it.
billing-portal = Card and invoices
billing-portal-away = The payment company does not answer just now. Try again in a minute.
billing-order = Go on with the payment
billing-again = Take it up again
billing-again-text = You can take this server up again, with everything on it, for { $price }.
billing-held = The people who run this host have stopped this server. Write to us before you pay for it.
billing-go-on = Keep the subscription
billing-end = End the subscription
billing-end-lead = Your server stops, and other servers are told to come back later. Nothing on it is destroyed at once, and what it is called stays yours as long as it is kept.
billing-end-when = When
billing-end-choose = Choose when it ends.
billing-end-period = On { $time }, when what you paid for is over
billing-end-period-note = You can take that back until then. Everything is kept until { $kept }.
billing-end-now = At once
billing-end-now-note = What you have paid is not paid back by this. Everything is kept until { $kept }, and until then you can take it up again.
billing-end-button = End it
billing-noted = It is noted. The payment company is told in a moment.
billing-not-now = That does not fit how the subscription is now. Nothing was changed.
billing-busy = Something else that you asked for is still on its way. Look again in a moment.
billing-busy-end = The end that you asked for is on its way to the payment company.
billing-busy-go-on = That it goes on is on its way to the payment company.
