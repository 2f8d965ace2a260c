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
