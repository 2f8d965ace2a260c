# Staff give money back, or credit.

give-title = Money of this server
give-invoices = Paid invoices
give-invoices-none = Nothing was paid for this server yet.
give-given-back = { $amount } of it given back
give-heading = Give back, or give credit
give-limit = You may give this customer { $most } in 30 days by yourself; you have given { $given }.
give-from = From
give-from-credit = Credit, set off against the next invoices
give-from-invoice = Back to the card, from { $number } ({ $left } left)
give-choose = Choose credit or one of the invoices.
give-amount = Amount
give-amount-hint = In the currency of the plans, such as 19.00.
give-amount-wrong = Write an amount above zero, such as 19.00.
give-more-than-paid = Of this invoice { $left } is left to give back.
give-second-needed = By yourself you may give this customer { $most } in 30 days, and you have given { $given }. For more a second person has to agree.
give-nothing-paid = Nothing was ever paid for this server, so there is nobody to give anything to.
give-reason = Why
give-reason-length = Write a reason of 3 to 200 characters.
give-button = Give it
give-ask = Ask another one to agree
give-ask-reason-length = Write a reason of 10 to 200 characters: another one has to understand it.
give-asked = Another one of the staff who may give money has to agree, at least a minute from now and within three days.
give-asked-already = Something waits for an agreement already; take that back first, or have it decided.
give-waits = Waits for another one to agree
give-agree = Agree, and give it
give-not-open = Nothing waits for an agreement any more.
give-too-soon = A minute has to pass between asking and agreeing.
give-same-person = Somebody else than who asked has to agree.
give-noted = It is noted. The payment company is told in a moment.
give-so-far = Given so far

# Chosen in code
give-kind-refund = back to the card
give-kind-credit = as credit
give-state-asked = On its way
give-state-done = Given
give-state-void = Not given
staff-money = Money

# Servers that are given away.

review-next-free = Nothing is to be paid: the people who run this host have given you this server.
review-free = Take it
free-title = Servers given away
free-lead = For moderators, partners and the like. The next server of this plan that the customer orders costs nothing, and the payment company never hears of it. It runs until you end it.
free-plan = Plan
free-choose = Choose a plan.
free-reason = Why
free-reason-length = Write a reason of 3 to 200 characters.
free-button = Give it away
free-given = It is given away. The customer's next order of this plan costs nothing.
free-so-far = Given so far
free-none = Nothing was given to this customer yet.
free-withdraw = Take it back
free-withdrawn-done = It is taken back.
free-used = It is used already, or was taken back. Nothing was changed.
# Chosen in code
free-state-open = Not used yet
free-state-used = Used
free-state-withdrawn = Taken back
