# What a server costs and what its host keeps; and the staff's page of money.

costs-title = What your server costs and what we keep
costs-lead = Where a month of what you pay goes, before tax. It is counted from what your server is given and from what things cost us.
costs-what = For
costs-how-much = How much
costs-month = A month
costs-paid = You pay
costs-gib = { $n } GiB
costs-cores = { $n } cores
costs-room = up to { $n } GiB
costs-sum = Costs together
costs-kept = What we keep
costs-loses = Your server costs more than it brings. That is our affair: your price stays as it is.
costs-measured = What is on your server was measured on { $time }.
costs-unmeasured = How much media is on your server has not been measured yet: all of its room is counted.
costs-note = Credit, discounts and promo codes are not counted here: what you really pay can be less.

# What a server costs for, chosen in code
costs-of-memory = Memory that is kept for it
costs-of-processor = Processor
costs-of-volumes = Disks of database and cache
costs-of-bucket = Media
costs-of-share = Its share of backups, mail and the people who answer
costs-of-fee = What the payment company keeps

money-title = Money
money-lead = For a month, before tax and without discounts. Churn, failures and what was given are of the last 30 days.
money-monthly = Comes in each month
money-yearly = In a year
money-churn = Left
money-churn-value = { $gone } of { $were } ({ $share })
money-failed = Not paid at the moment
money-failed-value = { $n }, together { $amount } a month
money-cost = Servers cost
money-kept = Is kept
money-margin = Margin
money-given-refund = Given back
money-given-credit = Given as credit
money-given-value = { $amount } in { $n }
money-foreign = In another currency than the catalogue's, and in no sum
money-funnel = Where subscriptions stand
money-plans = By plan
money-plan = Plan
money-servers = Servers
money-paid = Bring
money-none = Nothing is paid for yet.
money-no-costs = What servers cost is not known: the section [costs] of the catalogue says it.
money-csv = Every server as a table (CSV)
