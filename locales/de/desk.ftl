# Listen jeder Art: was gesucht wird, die Reihenfolge, die Seiten.
close = Schließen
list-show = Zeigen
list-apply = Zeigen
list-narrow = Diese Liste eingrenzen
list-all = Alle zeigen
list-pages = Seiten dieser Liste
list-newer = Vorige Seite
list-older = Nächste Seite
list-none-such = Dazu passt hier nichts.
list-none-such-text = Suchen Sie nach dem Anfang, mit weniger Buchstaben, oder lassen Sie eine Auswahl weg.
list-version = Version
list-any-version = Jede Version
list-to-version = unterwegs zu { $version }
list-cost = { $price } { $per }
list-find-server = Adresse beginnt mit
list-find-customer = Name oder E-Mail beginnt mit

# Suche, Tasten, Orte
nav-staff-customers = Kunden
nav-staff-queue = Aufträge
nav-staff-incidents = Störungen
nav-keys = Tasten
nav-styleguide = Stilvorlage
search-label = Adresse, Name, E-Mail oder Kennung
search-button = Suchen
search-title = Suche
search-empty = Was suchen Sie?
search-empty-text = Das Feld oben nimmt den Anfang einer Adresse, eines Namens oder einer E-Mail-Adresse, und ganze Kennungen: unsere, und die von Kunden, Abonnements und Bezahlvorgängen bei Stripe.
search-none = Nichts beginnt mit „{ $q }“.
search-none-text = Prüfen Sie die Schreibweise, oder suchen Sie mit weniger Buchstaben. Eine Kennung muss ganz sein.
search-for = Gefunden zu „{ $q }“
search-more = Vielleicht gibt es mehr. Schreiben Sie mehr Buchstaben.
search-server = Server
search-customer = Kunde
search-customer-of = Kunde, durch { $email }
search-incident = Störung
keys-title = Tasten
keys-lead = Auf jeder Seite des Betriebs, solange Sie nicht in ein Feld tippen. Sie brauchen ein Skript; alles geht auch ohne sie.
keys-search = Suchen
keys-help = Diese Liste zeigen oder verbergen
keys-on = In diesem Browser wirken die Tasten

# Übersicht; die Bezeichnungen sind im Code gewählt
staff-also = Außerdem
figure-trend = { $figure }, in der letzten Woche
figure-before = vor einem Tag { $value }
staff-figure-oldest-job = Ältester Auftrag wartet seit
staff-figure-past-due = Zahlung überfällig
staff-figure-unproven = Sicherungen nicht geprüft
staff-figure-behind = Nicht auf der neuesten Version
staff-figure-certificates = Ohne Zertifikat
staff-figure-incidents = Offene Störungen
staff-figure-money = Heute für neue Server bezahlt

# Server; die Auswahl ist im Code gewählt
staff-instances-none-text = Der erste erscheint, wenn ihn jemand bestellt.
show-server-all = Alle
show-server-look = Anzusehen
show-server-building = Wird gebaut
show-server-running = Soll laufen
show-server-unproven = Sicherung nicht geprüft
show-server-certificate = Ohne Zertifikat
show-server-behind = Nicht auf der neuesten Version
show-server-reserved = Nicht bezahlt
show-server-paused = Angehalten
show-server-leaving = Im Abschied
show-server-gone = Fort

# Bestellungen; die Auswahl ist im Code gewählt
staff-orders-none-text = Die erste erscheint, wenn jemand eine Adresse und einen Tarif wählt.
show-order-all = Alle
show-order-waiting = Warten auf ihre Zahlung
show-order-paid = Bezahlt
show-order-expired = Nicht rechtzeitig bezahlt

# Ein Server von innen
inside-title = Von innen
inside-jobs = Aufträge, die ihn nennen
inside-jobs-none = Zurzeit steht keiner aus.
inside-changes = Was aus den Bedingungen wurde
inside-changes-show = Die neuesten Änderungen, wie die Flotte sie sah
inside-status = Status, wie der Operator ihn schrieb
inside-status-none = Der Operator hat noch nicht berichtet.

# Kunden; die Auswahl ist im Code gewählt
staff-customers-title = Kunden
staff-customers-none = Noch keine Kunden.
staff-customers-none-text = Wer sich registriert, ist einer.
show-customer-all = Alle
show-customer-servers = Mit einem Server
show-customer-past-due = Zahlung überfällig
show-customer-waiting = Auf der Warteliste
customer-since = Kunde seit
customer-money = Geld
customer-past-due = Zahlung überfällig
customer-nothing-owed = Nichts geschuldet
customer-never-paid = Nie bezahlt
customer-stripe = Kunde bei Stripe
customer-people = Menschen
customer-person = { $role } seit { $since }
customer-proven = Adresse bestätigt
customer-not-proven = Adresse nicht bestätigt
customer-no-servers = Keine. Was nie bezahlt wurde, steht unter Bestellungen.
customer-no-people = Für dieses Konto meldet sich niemand an.
customer-no-orders = Keine.
customer-no-audit = Für dieses Konto ist nichts notiert.

# Aufträge; die Auswahl ist im Code gewählt
queue-title = Aufträge
queue-lead = Arbeit, die aussteht: E-Mails, Zahlungen, Prüfungen von Domains. Ein gescheiterter Auftrag wird wieder versucht, jedes Mal später; einer, der seine Versuche verbraucht hat, wartet auf einen Menschen.
queue-due = Fällig und wartend
queue-oldest = Der älteste wartet seit
queue-dead = Aufgegeben
queue-kinds = Nach Art
queue-count = Nicht erledigt
queue-do = Noch einmal
queue-jobs = Aufträge
queue-none = Es steht nichts aus.
queue-none-text = Alles, was ausstand, ist erledigt.
queue-retry-all = Alle aufgegebenen wieder versuchen
queue-retried = Aufträge mit wieder allen Versuchen, jetzt fällig: { $n }
queue-none-to-retry = Kein Auftrag dieser Art ist mehr aufgegeben.
show-job-all = Alle
show-job-dead = Aufgegeben
show-job-failing = Gescheitert, wird wieder versucht
show-job-running = In Arbeit

# Die Stilvorlage; Zustände sind im Code gewählt
guide-lead = Jeder Teil, aus dem Seiten bestehen. Nichts auf dieser Seite gehört jemandem, und ihre Schaltflächen tun nichts.
guide-colours = Farben
guide-type = Schrift
guide-buttons = Schaltflächen
guide-forms = Formulare
guide-states = Zustände und Meldungen
guide-lists = Listen
guide-facts = Angaben
guide-steps = Schritte
guide-numbers = Zahlen
guide-waiting = Was unterwegs ist
guide-loading = Wird geladen
guide-dialog = Dialog
guide-dialog-text = Eines über der Seite, verlassen mit Escape oder seiner Schaltfläche. Den dieser Seite öffnen Sie mit
guide-danger = Was sich nicht zurücknehmen lässt
guide-danger-what = Was geschieht: Er hört auf, und seine Daten werden vernichtet.
guide-danger-when = Wann: sofort, nachdem der Name getippt ist.
guide-danger-undo = Bis wann es sich zurücknehmen lässt: bis zu dieser Schaltfläche.
guide-sentence = Ein Satz, so lang wie die meisten, die hier gelesen werden.
guide-field = Eine Bezeichnung
guide-hint = Was beim Ausfüllen hilft, über dem Feld.
guide-wrong = Das stimmt nicht. Schreiben Sie es anders.
guide-value = Ein Wert
guide-detail = seit 14:30 UTC
guide-chart = Sieben Werte, als Beispiel
guide-state-waiting = Wartet
guide-state-doing = Im Gange
guide-state-done = Fertig
guide-state-failed = Gescheitert

# Wie weit eine Entfernung ist
removal-way = Wie weit die Entfernung ist
removal-way-ask = Darum gebeten
removal-way-confirm = Bestätigt
removal-way-done = Nichts übrig

# Das Protokoll; die Auswahl ist im Code gewählt
audit-title = Protokoll
audit-find = Ganze Kennung dessen, was sich änderte oder wer es änderte, oder was getan wurde
audit-none = Es ist noch nichts notiert.
audit-none-text = Was auch immer jemand ändert, steht hier, mit wem es war.
show-audit-all = Alle
show-audit-person = Kunden
show-audit-staff = Betrieb
show-audit-system = Das Programm
show-server-not-backed-up = Datenbank nicht gesichert
