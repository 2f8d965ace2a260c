# Ein anderer Tarif, ein anderer Zeitraum, Speicherpakete.

fact-packs = Speicherpakete
billing-busy-change = Die Änderung, um die Sie gebeten haben, ist zum Zahlungsdienst unterwegs.
billing-end-date = An einem Tag Ihrer Wahl
billing-end-date-note = Schreiben Sie den Tag unten hin. Bis dahin zahlen Sie wie bisher; was über jenen Tag hinaus bezahlt ist, wird nicht zurückgezahlt.
billing-end-on = Der letzte Tag, an dem Ihr Server läuft
billing-end-date-wrong = Schreiben Sie einen Tag von heute an, höchstens zwei Jahre voraus.

change-title = Tarif ändern
change-lead = Wählen Sie, was Ihr Server haben soll. Bevor etwas geändert wird, sehen Sie, was sofort fällig ist und was Sie von da an zahlen.
change-period = Bezahlt
change-packs = Speicherpakete
change-packs-hint = Jedes ist { $name }, für { $price }. Lassen Sie 0 stehen für keines.
change-packs-wrong = Schreiben Sie eine ganze Zahl, etwa 2.
change-packs-most = Ein Server kann höchstens { $most } Speicherpakete haben.
change-look = Ansehen, was es kostet
change-choose-plan = Wählen Sie einen Tarif.
change-choose-period = Wählen Sie, wie oft Sie zahlen wollen.
change-same = Das hat Ihr Server schon.
change-not-now = Das Abonnement ist vorbei, soll enden oder ist nicht bezahlt. Bringen Sie zuerst das in Ordnung.
change-held = Ihr Server läuft gerade nicht. Ändern Sie seinen Tarif, wenn er wieder läuft.
change-not-offered = Dieser Tarif wird nicht mehr verkauft.
change-no-room = Wo Ihr Server läuft, ist dafür kein Platz, oder andere warten auf das, was es gibt. Schreiben Sie uns; wir kümmern uns darum.
change-unmeasured = Das ist kleiner als das, was Sie haben, und in den letzten Tagen hat niemand gemessen, wie viel auf Ihrem Server liegt. Schreiben Sie uns; wir kümmern uns darum.
change-too-much-media = Ihr Server hat { $used } GiB Medien, und das hat Platz für { $room } GiB.
change-too-much-database = Die Datenbank Ihres Servers hat { $used } GiB, und das hat Platz für { $room } GiB.
change-stale = Was Sie gesehen haben, ist zu lange her. Sehen Sie noch einmal, was es kostet.
change-noted = Es ist notiert. Der Unterschied wird gleich abgebucht, und Ihr Server folgt.

change-review = Was sich ändert
change-before = Sie zahlen jetzt
change-after = Sie zahlen von da an
change-due = Sofort fällig: { $due }
change-charged = Für das, was Sie bekommen
change-given-back = Für die Zeit, die Sie bezahlt haben und nicht nutzen
change-discount = Rabatte
change-tax = Steuern
change-credit-used = Aus Ihrem Guthaben
change-credit-left = Bleibt als Guthaben, für die nächsten Rechnungen
change-review-note = Preise sind vor Steuern, wo keine genannt sind. Der Betrag wird von Ihrer Karte abgebucht. Geht das nicht, ändert sich nichts. Das gilt 30 Minuten lang.
change-starts-over = Damit beginnt ein neuer Zeitraum; sollte das einige Minuten später sein, kann der Betrag um einige Cent abweichen, und um nicht mehr als eine Stunde dessen, was Sie bezahlt haben.
change-confirm = Ändern und zahlen

# Warum eine Änderung nicht gemacht wurde, im Code gewählt
change-void-declined = Die Änderung, um die Sie am { $time } gebeten haben, wurde nicht gemacht: Von Ihrer Karte wurde nichts abgebucht. Berichtigen Sie die Karte, und versuchen Sie es dann wieder.
change-void-price = Die Änderung, um die Sie am { $time } gebeten haben, wurde nicht gemacht: Sie hätte mehr gekostet, als Sie gesehen haben. Sehen Sie noch einmal, was sie kostet.
change-void-not-now = Die Änderung, um die Sie am { $time } gebeten haben, wurde nicht gemacht: Das Abonnement war vorbei oder nicht bezahlt, als sie an der Reihe war.
change-void-refused = Die Änderung, um die Sie am { $time } gebeten haben, wurde nicht gemacht: Der Zahlungsdienst hat sie abgelehnt. Es wurde nichts abgebucht. Schreiben Sie uns, wenn es wieder geschieht.
