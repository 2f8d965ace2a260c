# Alerts: what somebody should look at, for the host's own people. Rules, verdicts and states are chosen in code.
nav-staff-alerts = Alerts
alerts-title = Alerts
staff-figure-alerts = Open alerts
alerts-lead = Each minute rules look at what is known. What they find is told by mail and, where there is one, to the webhook.
alerts-open = To look at
alerts-open-none = Nothing at the moment.
alerts-open-none-text = What the rules below don’t know is not counted as well.
alerts-rules = Rules
alerts-rule = Rule
alerts-says = Says
alerts-looked = Looked at
alerts-over = Over
alerts-over-none = Nothing yet.
alerts-began = Began
alerts-ended = Ended
alerts-runbook = What to do
alerts-acknowledge = I look after it
alerts-acknowledged = Noted. Nobody is reminded of it any more.
alerts-acknowledged-not = It is over, or somebody looks after it already.
alerts-looked-after = { $who } looks after it, since { $time }
alerts-quiet-soon = quiet since { $time }; over when it stays so

alert-verdict-quiet = Nothing to look at
alert-verdict-firing = To look at
alert-verdict-unknown = Not known
alert-never-known = it never was
alert-not-judged = Not known since { $time }: nobody has looked since then, so no worker runs.
alert-never-judged = Nobody has looked yet

alert-state-began = To look at
alert-state-stands = Still to look at
alert-state-over = Over

alert-rule-oldest-order = An order waits for too long
alert-rule-backup-unproven = Backups not proven
alert-rule-certificate = Certificates that end soon
alert-rule-past-due-spike = Many more past due
alert-rule-capacity = Little room is left
alert-rule-drift-storm = Many servers at once not as they should be
alert-rule-webhook-silence = Stripe’s webhooks do not come

alert-firing-oldest-order = { $n ->
    [one] The oldest order has waited for a minute: past its deadline and not settled, or paid and no server yet.
   *[other] The oldest order has waited for { $n } minutes: past its deadline and not settled, or paid and no server yet.
}
alert-firing-backup-unproven = { $n ->
    [one] One server has run for too long without a backup that was proven by restoring it.
   *[other] { $n } servers have run for too long without a backup that was proven by restoring it.
}
alert-firing-certificate = { $n ->
    [one] The certificate of one server ends soon, and was not renewed.
   *[other] The certificates of { $n } servers end soon, and were not renewed.
}
alert-firing-past-due-spike = { $n } subscriptions are past due, more than twice as many as a day ago.
alert-firing-capacity = { $n } % of what may be promised are left of the amount that is nearest to its end.
alert-firing-drift-storm = { $n } servers ceased to be well within ten minutes.
alert-firing-webhook-silence = { $n ->
    [one] Stripe’s list tells of one event that no webhook has brought.
   *[other] Stripe’s list tells of { $n } events that no webhook has brought.
}

mail-alert-began = Say on the page that you look after it, and nobody is reminded any more.
mail-alert-stands = It began on { $since }, and nobody has said that they look after it.
mail-alert-over = What began on { $since } is over: its rule finds nothing any more.
mail-alert-over-next = There is nothing to do.
mail-alert-action = What there is to look at
mail-alert-runbook = What to look at first, and what helps:
