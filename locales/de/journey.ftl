# Von der Adresse zum laufenden Server.
minutes = { $n ->
    [one] eine Minute
   *[other] { $n } Minuten
}
new-progress = Neuer Server · Schritt { $step } von { $steps }

address-title = Wählen Sie Ihre Adresse
address-lead = Sie ist die zweite Hälfte jedes Namens auf Ihrem Server, und darunter kennen ihn andere Server.
address-for-ever = Diese Adresse kann sich nie ändern. Mastodon bindet jeden Beitrag und alle Folgenden daran.
address-legend = Art der Adresse
address-hosted = Ein Name unter { $domain }
address-hosted-hint = Sonst ist nichts einzurichten
address-own = Eine Domain, die mir gehört
address-own-hint = Sie setzen einige DNS-Einträge; wir zeigen, welche
address-name = Name
address-name-hint = Buchstaben, Ziffern und Bindestriche
address-domain = Ihre Domain
address-domain-hint = Zum Beispiel harbour.org oder social.harbour.org
address-web = Ist unter dieser Domain schon eine Website?
address-web-text = Dann können Namen auf die Domain enden, während Mastodon selbst unter einem anderen Namen darunter wohnt. Ihre Website reicht eine kleine Adresse an uns weiter; wir zeigen, wie. Auch das kann sich nie ändern.
address-web-domain = Name für Mastodon selbst
address-web-hint = Zum Beispiel social.harbour.org. Lassen Sie es leer, wenn Sie nicht sicher sind

check-free = Frei
check-own = Nicht vergeben
check-taken = Vergeben
check-yours = Schon Ihre
check-yours-text = Sie haben einen Server oder eine offene Bestellung mit dieser Adresse.
check-yours-open = Dorthin
check-taken-text = Jemand hat diese Adresse oder bezahlt sie in diesem Augenblick. Wählen Sie eine andere.
check-reserved = Zurückgehalten
check-look-alike = Zu ähnlich
check-invalid = Nicht verwendbar
check-ascii = Von Maschinen geschrieben als
check-handle = Namen werden @name@{ $address } lauten

dns-title = DNS-Einträge
dns-heading = Lassen Sie { $domain } zu uns zeigen
dns-lead = Setzen Sie diese Einträge dort, wo Sie die Domain verwalten. Übertragen Sie sie genau.
dns-no-hurry = Es eilt nicht: Setzen Sie sie, wenn Sie bezahlt haben. Vor Ihrem Server antwortet unter dem Namen nichts.
dns-kind = Typ
dns-name = Name
dns-value = Wert
dns-state = Stand
dns-checked = Um { $time } von unserem Resolver geprüft.
dns-again = Noch einmal prüfen
dns-later = Sie können jetzt fortfahren und sie später setzen. Ihr Server antwortet, wenn sie stimmen; bis Änderungen zu sehen sind, kann es eine Stunde dauern.
# Im Code gewählt
dns-right = Richtig
dns-missing = Noch nicht zu sehen
dns-wrong = Anders
dns-unknown = Nicht geprüft

owner-title = Wem gehört der Server?
owner-lead = Ein Mensch bekommt auf { $address } die Rolle Owner, mit allen Rechten. Weitere können Sie später in Mastodon hinzufügen.
owner-name = Benutzername
owner-name-hint = Bis zu 30 Buchstaben a–z, Ziffern und Unterstriche. Der Name wird @name@{ $address } lauten
owner-email = E-Mail-Adresse dieses Menschen
owner-email-hint = Darüber wird das Passwort gesetzt. Wir erfahren es nie

plan-title = Wählen Sie einen Tarif
plan-change = Um den Tarif später zu wechseln, schreiben Sie uns: Hier ist das geplant und noch nicht fertig.

review-title = Prüfen Sie Ihre Bestellung
review-next = Wie es weitergeht
review-next-place = Wir reservieren Ihre Adresse und einen Platz für { $time }.
review-next-pay = Sie zahlen { $price } { $per } auf der Seite unseres Zahlungsdienstes. Die Karte sehen wir nie.
review-next-build = Ihr Server wird gebaut, während Sie zusehen. Meist dauert das einige Minuten.
review-next-records = Er antwortet, sobald Ihre DNS-Einträge zu uns zeigen. Die Seite Ihres Servers zeigt sie, und ob wir sie sehen.
review-full = Zurzeit ist jeder Platz vergeben. Sie können sich mit dieser Bestellung in die Warteliste eintragen: Es wird nichts abgebucht, und die Adresse wird notiert, aber nicht reserviert. Wenn Sie an der Reihe sind, schreiben wir Ihnen und halten eine Weile einen Platz für Sie frei.
review-pay = { $price } zahlen
review-wait = In die Warteliste eintragen
# Im Code gewählt
fact-address = Adresse
fact-web = Mastodon selbst unter
fact-owner-email = E-Mail zum Owner-Konto
fact-plan = Tarif
fact-price = Preis
fact-price-value = { $price } { $per }
fact-invoice = Nächste Rechnung
fact-version = Mastodon
fact-ordered = Bestellt
fact-handle = Name des Owner-Kontos

order-title = Bestellung von
order-confirming = Die Zahlung wird noch bestätigt
order-confirming-text = Sie sind von der Bezahlseite zurück. Wir bauen { $address }, sobald der Zahlungsdienst sagt, dass das Geld unterwegs ist.
order-waited = Meist dauert das einige Sekunden. Bisher:
order-confirming-leave = Sie können diese Seite schließen. Wir schreiben an { $email }, wenn der Server bereit ist, oder wenn die Bestellung ohne Zahlung geendet hat.
order-unpaid = Noch nicht bezahlt
order-left = Sie sind von der Bezahlseite zurückgekommen, ohne zu bezahlen.
order-declined = Ihre Karte wurde abgelehnt
order-declined-text = Das hat uns der Zahlungsdienst um { $time } gemeldet.
order-declined-next = Versuchen Sie es noch einmal, mit derselben Karte oder einer anderen.
order-not-charged = Es wurde nichts abgebucht.
order-kept = { $address } und der Platz sind bis { $time } für Sie reserviert.
order-pay-again = { $price } zahlen
order-give-up = Diese Bestellung aufgeben
order-expired = Die Bestellung ist beendet
order-again = Noch einmal bestellen
order-other = Eine andere Adresse wählen
order-waiting = Nummer { $position } auf der Warteliste
order-leave-list = Die Liste verlassen
order-paid = Bezahlt
order-paid-text = Vielen Dank. { $address } wird jetzt gebaut.
order-watch = Beim Bauen zusehen

instances-title = Ihre Server
instances-none = Sie haben noch keinen Server.
instances-none-text = Beginnen Sie mit seiner Adresse. Sie sehen den Preis, bevor etwas abgebucht wird.
instances-first = Adresse wählen

facts-title = Über diesen Server
building-title = Ihr Server wird gebaut
building-stuck = Ihr Server braucht länger als sonst
building-say = Schritt { $step }: { $title }
building-progress = Fortschritt
building-step = Schritt { $step } von { $count }
building-elapsed = Vergangen
building-typical = meist { $time }
building-leave = Sie können diese Seite schließen. Wir schreiben an { $email }, wenn er bereit ist.
ready-say = Ihr Server ist bereit
ready-took = Bereit, { $time } nach Ihrer Zahlung.
ready-next = Was jetzt zu tun ist
ready-reset = Passwortseite öffnen
ready-reset-text = Öffnen Sie die Passwortseite Ihres Servers. Sie gehört zu Mastodon, nicht zu uns.
ready-email = Geben Sie dort { $email } ein. Ihr Server sendet einen Link; damit wählen Sie ein Passwort.
ready-log-in = Melden Sie sich an. Sie sind { $handle }, mit der Rolle Owner.
ready-password = Das Passwort bleibt zwischen Ihnen und Ihrem Server. Wir erfahren es nie und können es nicht sehen.

step-done = Fertig
step-doing = In Arbeit
step-failed = Stehen geblieben
step-waiting = Wartet
step-of = von { $typical }
# Namen der Schritte, im Code in dieser Reihenfolge gewählt
step-payment = Zahlung bestätigt
step-payment-note = Der Zahlungsdienst hat es uns gesagt.
step-namespace = Ein eigener Bereich
step-namespace-note = Ihr Server bekommt einen geschlossenen Bereich, mit Wänden und Grenzen, in den kein anderer Server sieht.
step-identity = Schlüssel seiner Identität
step-identity-note = Die Schlüssel, die Ihren Server zu ihm selbst machen, werden erzeugt, ein für alle Mal.
step-database = Datenbank
step-database-note = Eine eigene Datenbank startet. Kein anderer Server ist darin.
step-cache = Zwischenspeicher
step-cache-note = Das Kurzzeitgedächtnis für Warteschlangen und Timelines startet.
step-bucket = Platz für Dateien
step-bucket-note = Platz für Bilder und Videos wird geschaffen, mit eigenem Schlüssel.
step-migrations = Tabellen
step-migrations-note = Mastodon legt seine Tabellen an. Das ist der längste Schritt.
step-processes = Mastodon selbst
step-processes-note = Seine Teile starten: Web, Streaming und Arbeit im Hintergrund.
step-address = Adresse und Zertifikat
step-address-note = Die Adresse wird mit Ihrem Server verbunden, unter unserem Zertifikat.
step-address-own-note = Die Adresse wird mit Ihrem Server verbunden, und Zertifikate für Ihre Domain werden ausgestellt.
step-owner = Owner-Konto
step-owner-note = Das Owner-Konto wird angelegt. Sein Passwort setzt später nur, wem es gehört.

# Zustände eines Servers und einer Bestellung, im Code gewählt
phase-reserved = Reserviert
phase-preparing = Wird gebaut
phase-awaiting-records = Wartet auf DNS-Einträge
phase-running = Läuft
phase-degraded = Nicht in Ordnung
phase-upgrading = Wird aktualisiert
phase-suspended = Angehalten
phase-leaving = Im Abschied
phase-gone = Fort
order-state-unpaid = Nicht bezahlt
order-state-expired = Beendet
order-state-waiting = Auf der Warteliste
order-state-invited = Ein Platz ist für Sie reserviert
order-state-paid = Bezahlt
