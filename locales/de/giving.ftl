# Der Betrieb gibt Geld zurück, oder Guthaben.

give-title = Geld dieses Servers
give-invoices = Bezahlte Rechnungen
give-invoices-none = Für diesen Server wurde noch nichts bezahlt.
give-given-back = { $amount } davon zurückgegeben
give-heading = Zurückgeben, oder Guthaben geben
give-limit = Allein dürfen Sie diesem Kunden in 30 Tagen { $most } geben; gegeben haben Sie { $given }.
give-from = Woraus
give-from-credit = Guthaben, das mit den nächsten Rechnungen verrechnet wird
give-from-invoice = Zurück auf die Karte, aus { $number } ({ $left } übrig)
give-choose = Wählen Sie Guthaben oder eine der Rechnungen.
give-amount = Betrag
give-amount-hint = In der Währung der Tarife, etwa 19.00.
give-amount-wrong = Schreiben Sie einen Betrag über null, etwa 19.00.
give-more-than-paid = Von dieser Rechnung ist noch { $left } zurückzugeben.
give-second-needed = Allein dürfen Sie diesem Kunden in 30 Tagen { $most } geben, und gegeben haben Sie { $given }. Für mehr muss eine zweite Person zustimmen.
give-nothing-paid = Für diesen Server wurde nie etwas bezahlt; es gibt also niemanden, dem etwas zu geben wäre.
give-reason = Warum
give-reason-length = Schreiben Sie einen Grund mit 3 bis 200 Zeichen.
give-button = Geben
give-ask = Jemand anderen um Zustimmung bitten
give-ask-reason-length = Schreiben Sie einen Grund mit 10 bis 200 Zeichen: Jemand anderes muss ihn verstehen.
give-asked = Jemand anderes aus dem Betrieb, der Geld geben darf, muss zustimmen, frühestens in einer Minute und innerhalb von drei Tagen.
give-asked-already = Es wartet schon etwas auf eine Zustimmung; nehmen Sie das zuerst zurück, oder lassen Sie es entscheiden.
give-waits = Wartet auf die Zustimmung von jemand anderem
give-agree = Zustimmen, und geben
give-not-open = Auf eine Zustimmung wartet nichts mehr.
give-too-soon = Zwischen Bitte und Zustimmung muss eine Minute vergehen.
give-same-person = Jemand anderes als der, der gebeten hat, muss zustimmen.
give-noted = Es ist notiert. Der Zahlungsdienst erfährt es gleich.
give-so-far = Bisher gegeben

# Im Code gewählt
give-kind-refund = zurück auf die Karte
give-kind-credit = als Guthaben
give-state-asked = Unterwegs
give-state-done = Gegeben
give-state-void = Nicht gegeben
staff-money = Geld

# Server, die verschenkt werden.

review-next-free = Es ist nichts zu zahlen: Die Menschen, die hier die Server betreiben, haben Ihnen diesen Server geschenkt.
review-free = Annehmen
free-title = Verschenkte Server
free-lead = Für Moderatoren, Partner und dergleichen. Der nächste Server dieses Tarifs, den der Kunde bestellt, kostet nichts, und der Zahlungsdienst erfährt nie davon. Er läuft, bis Sie ihn beenden.
free-plan = Tarif
free-choose = Wählen Sie einen Tarif.
free-reason = Warum
free-reason-length = Schreiben Sie einen Grund mit 3 bis 200 Zeichen.
free-button = Verschenken
free-given = Er ist verschenkt. Die nächste Bestellung dieses Tarifs kostet den Kunden nichts.
free-so-far = Bisher verschenkt
free-none = Diesem Kunden wurde noch nichts geschenkt.
free-withdraw = Zurücknehmen
free-withdrawn-done = Es ist zurückgenommen.
free-used = Es ist schon benutzt, oder wurde zurückgenommen. Es wurde nichts geändert.
# Im Code gewählt
free-state-open = Noch nicht benutzt
free-state-used = Benutzt
free-state-withdrawn = Zurückgenommen
