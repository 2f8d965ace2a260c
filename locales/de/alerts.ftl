# Hinweise: was sich jemand ansehen sollte, für den Betrieb. Regeln, Urteile und Zustände sind im Code gewählt.
nav-staff-alerts = Hinweise
alerts-title = Hinweise
staff-figure-alerts = Offene Hinweise
alerts-lead = Jede Minute sehen Regeln auf das, was bekannt ist. Was sie finden, wird per E-Mail gesagt und, wo es einen gibt, dem Webhook.
alerts-open = Anzusehen
alerts-open-none = Zurzeit nichts.
alerts-open-none-text = Was die Regeln unten nicht wissen, gilt nicht als in Ordnung.
alerts-rules = Regeln
alerts-rule = Regel
alerts-says = Sagt
alerts-looked = Nachgesehen
alerts-over = Vorbei
alerts-over-none = Noch nichts.
alerts-began = Begonnen
alerts-ended = Beendet
alerts-runbook = Was zu tun ist
alerts-acknowledge = Ich kümmere mich darum
alerts-acknowledged = Notiert. Niemand wird mehr daran erinnert.
alerts-acknowledged-not = Es ist vorbei, oder es kümmert sich schon jemand darum.
alerts-looked-after = { $who } kümmert sich darum, seit { $time }
alerts-quiet-soon = ruhig seit { $time }; vorbei, wenn es so bleibt

alert-verdict-quiet = Nichts anzusehen
alert-verdict-firing = Anzusehen
alert-verdict-unknown = Nicht bekannt
alert-never-known = war es nie
alert-not-judged = Nicht bekannt seit { $time }: Seither hat niemand nachgesehen, also läuft kein Worker.
alert-never-judged = Es hat noch niemand nachgesehen

alert-state-began = Anzusehen
alert-state-stands = Noch anzusehen
alert-state-over = Vorbei

alert-rule-oldest-order = Eine Bestellung wartet zu lange
alert-rule-backup-unproven = Sicherungen nicht geprüft
alert-rule-certificate = Zertifikate, die bald enden
alert-rule-past-due-spike = Viel mehr Zahlungen überfällig
alert-rule-capacity = Wenig Platz übrig
alert-rule-drift-storm = Viele Server auf einmal nicht, wie sie sein sollen
alert-rule-webhook-silence = Stripes Webhooks kommen nicht

alert-firing-oldest-order = { $n ->
    [one] Die älteste Bestellung wartet seit einer Minute: nach ihrer Frist nicht abgeschlossen, oder bezahlt und noch kein Server.
   *[other] Die älteste Bestellung wartet seit { $n } Minuten: nach ihrer Frist nicht abgeschlossen, oder bezahlt und noch kein Server.
}
alert-firing-backup-unproven = { $n ->
    [one] Ein Server läuft zu lange ohne eine Sicherung, die durch Wiederherstellen geprüft ist.
   *[other] { $n } Server laufen zu lange ohne eine Sicherung, die durch Wiederherstellen geprüft ist.
}
alert-firing-certificate = { $n ->
    [one] Das Zertifikat eines Servers endet bald und wurde nicht erneuert.
   *[other] Die Zertifikate von { $n } Servern enden bald und wurden nicht erneuert.
}
alert-firing-past-due-spike = { $n } Abonnements sind überfällig, mehr als doppelt so viele wie vor einem Tag.
alert-firing-capacity = { $n } % dessen, was zugesagt werden darf, sind von der knappsten Menge übrig.
alert-firing-drift-storm = { $n } Server sind innerhalb von zehn Minuten aus der Ordnung geraten.
alert-firing-webhook-silence = { $n ->
    [one] Stripes Liste nennt ein Ereignis, das kein Webhook gebracht hat.
   *[other] Stripes Liste nennt { $n } Ereignisse, die kein Webhook gebracht hat.
}

mail-alert-began = Sagen Sie auf der Seite, dass Sie sich darum kümmern, dann wird niemand mehr erinnert.
mail-alert-stands = Es begann am { $since }, und niemand hat gesagt, sich darum zu kümmern.
mail-alert-over = Was am { $since } begann, ist vorbei: Die Regel findet nichts mehr.
mail-alert-over-next = Es ist nichts zu tun.
mail-alert-action = Was anzusehen ist
mail-alert-runbook = Worauf zuerst zu sehen ist, und was hilft:
