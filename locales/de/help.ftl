# Hilfe für Kunden; die Texte selbst liegen in docs/help.
nav-help = Hilfe
help-title = Hilfe
help-lead = Wofür auf unseren Seiten kein Platz ist.
help-more = Hier fehlt etwas, oder es ist unklar? Schreiben Sie uns:
help-about-domain = Wie man die Einträge setzt
help-about-paying = Was wann folgt
help-about-security = Über zweite Faktoren, Mitglieder und Programme
