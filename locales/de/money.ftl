# Was ein Server kostet und was sein Betreiber behält; und die Seite des Betriebs über Geld.

costs-title = Was Ihr Server kostet und was wir behalten
costs-lead = Wohin ein Monat dessen geht, was Sie zahlen, vor Steuern. Gerechnet wird aus dem, was Ihr Server bekommt, und dem, was uns die Dinge kosten.
costs-what = Wofür
costs-how-much = Wie viel
costs-month = Im Monat
costs-paid = Sie zahlen
costs-gib = { $n } GiB
costs-cores = { $n } Kerne
costs-room = bis zu { $n } GiB
costs-sum = Kosten zusammen
costs-kept = Was wir behalten
costs-loses = Ihr Server kostet mehr, als er bringt. Das ist unsere Sache: Ihr Preis bleibt, wie er ist.
costs-measured = Was auf Ihrem Server liegt, wurde am { $time } gemessen.
costs-unmeasured = Wie viele Medien auf Ihrem Server liegen, wurde noch nicht gemessen: Gezählt ist all sein Platz.
costs-note = Guthaben, Rabatte und Gutscheine sind hier nicht gezählt: Was Sie wirklich zahlen, kann weniger sein.

# Wofür ein Server kostet, im Code gewählt
costs-of-memory = Arbeitsspeicher, der für ihn bereitsteht
costs-of-processor = Prozessor
costs-of-volumes = Platten von Datenbank und Cache
costs-of-bucket = Medien
costs-of-share = Sein Anteil an Sicherungen, Mail und den Menschen, die antworten
costs-of-fee = Was der Zahlungsdienst behält

money-title = Geld
money-lead = Für einen Monat, vor Steuern und ohne Rabatte. Abgänge, Fehlschläge und Gegebenes sind von den letzten 30 Tagen.
money-monthly = Kommt jeden Monat herein
money-yearly = In einem Jahr
money-churn = Gegangen
money-churn-value = { $gone } von { $were } ({ $share })
money-failed = Gerade nicht bezahlt
money-failed-value = { $n }, zusammen { $amount } im Monat
money-cost = Server kosten
money-kept = Bleibt
money-margin = Marge
money-given-refund = Zurückgegeben
money-given-credit = Als Guthaben gegeben
money-given-value = { $amount } in { $n }
money-foreign = In einer anderen Währung als der des Katalogs, und in keiner Summe
money-funnel = Wo Abonnements stehen
money-plans = Nach Tarif
money-plan = Tarif
money-servers = Server
money-paid = Bringen
money-none = Noch wird für nichts bezahlt.
money-no-costs = Was Server kosten, ist nicht bekannt: Der Abschnitt [costs] des Katalogs sagt es.
money-csv = Jeder Server als Tabelle (CSV)
