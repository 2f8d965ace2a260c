# Archive eines Servers
archives-link = Archive
archives-title = Archive
archives-lead = Alles von Ihrem Server in einem Satz Dateien, in einem offenen Format: zum Aufbewahren, oder um anderswo weiterzumachen. Wer es hat, braucht nichts von unserer Software.
archives-working = In Arbeit
archives-list = Ihre Archive
archives-none = Es gibt noch keines.
archives-no-proof = Noch wurde kein Archiv dieses Servers zur Probe wiederhergestellt.
archives-new = Ein neues Archiv
archives-new-text = Ihr Server läuft solange weiter. Danach stellen wir die Datenbank in einer wieder her, die gleich weggeworfen wird, und vergleichen die beiden; erst dann heißt ein Archiv geprüft. Kopien der Dateien anderer Server sind in keinem: Jene Server haben sie.
archives-may-not = Inhaber und Verwaltung dieses Kontos können um Archive bitten und sie holen.
archive-scope = Was es enthalten soll
archive-scope-all = Alles: Datenbank, Schlüssel und Ihre eigenen Medien
archive-scope-database = Datenbank und Schlüssel, ohne Medien
archive-scope-wrong = Wählen Sie, was das Archiv enthalten soll.
archive-passphrase = Passphrase
archive-passphrase-hint = Mindestens 12 Zeichen. Sie verschließt die Schlüssel Ihres Servers. Wir bewahren sie nicht auf, und ohne sie kann niemand die Schlüssel öffnen.
archive-passphrase-short = Geben Sie mindestens 12 Zeichen ein: Wer das Archiv findet, könnte eine kürzere erraten.
archive-recipient = Oder ein öffentlicher Schlüssel von age
archive-recipient-hint = Er beginnt mit age1. Lassen Sie die Passphrase dann leer.
archive-recipient-wrong = Geben Sie einen öffentlichen Schlüssel von age ein, der mit age1 beginnt, oder lassen Sie das leer und wählen Sie eine Passphrase.
archive-lock-missing = Geben Sie eine Passphrase ein, oder unten einen öffentlichen Schlüssel.
archive-lock-both = Geben Sie eine Passphrase oder einen öffentlichen Schlüssel ein, nicht beides.
archive-ask = Archiv anlegen
archive-asked = Es ist angefordert. Sie können diese Seite schließen; wir schreiben Ihnen, wenn es da ist.
archive-open = Es wird gerade eines angelegt. Warten Sie darauf, oder sagen Sie es ab.
archive-enough = Es gibt so viele Archive, wie wir auf einmal aufbewahren. Entfernen Sie zuerst eines.
archive-no-server = Es gibt noch keinen Server, oder keinen mehr, von dem ein Archiv angelegt werden könnte.
archive-give-up = Entfernen
archive-given-up = Es wird entfernt.
archive-gone-already = Es ist schon weg, oder noch nicht da.
archive-unproven = Das Wiederherstellen zur Probe ist nicht gelungen. Das Archiv kann geholt werden; wir sehen nach, warum, und Sie können um ein anderes bitten.

# Wie weit eines ist
archive-state-requested = Angefordert
archive-state-written = Vollständig, wird geprüft
archive-state-proven = Geprüft
archive-state-failed = Konnte nicht angelegt werden
archive-state-leaving = Wird entfernt
archive-state-removed = Entfernt

# Was getan wird, und wie weit es ist
archive-step-survey = Sehen, was es gibt
archive-step-database = Datenbank
archive-step-media = Medien
archive-step-check = Wieder lesen
archive-step-compare = Vergleichen
archive-of = { $done } von { $all }
archive-files = { $n ->
    [one] { $n } Datei
   *[other] { $n } Dateien
}
archive-rate = { $rate } in der Sekunde
archive-left = noch { $time }

# Ein Archiv
archive-title = Archiv
archive-last-proof = Zuletzt durch Wiederherstellen geprüft: { $at }. Es dauerte { $time } und verglich { $rows } Zeilen in { $tables } Tabellen, { $keys } private Schlüssel und { $files } Mediendateien.
archive-fact-scope = Enthält
archive-fact-snapshot = Stand
archive-fact-size = Größe
archive-fact-parts = Teile
archive-fact-files = Mediendateien
archive-fact-missing = Mediendateien, die nicht mitgenommen werden konnten
archive-fact-signer = Unterschrieben von
archive-fact-manifest = SHA-256 seines Manifests
archive-fact-proof = Prüfung
archive-fact-trouble = Das letzte Wiederherstellen zur Probe sagte
archive-not-there = Es kann nicht geholt werden: Es ist nicht vollständig, oder seine Zeit ist um.
archive-fetch = Holen
archive-fetch-text = Führen Sie diese Zeile in einem leeren Ordner aus. Sie holt alle Dateien und gilt bis { $until } für alle, die sie haben: Behandeln Sie sie wie ein Passwort.
archive-command-unix = Linux und macOS
archive-command-windows = Windows
archive-fetch-again = Bricht es ab, führen Sie dieselbe Zeile noch einmal aus: Es geht weiter, wo es war.
archive-some-files = Einige seiner Dateien
archive-after = Danach
archive-after-text = RESTORE.md sagt, wie daraus ein Server wird. SHA256SUMS prüft die Dateien. Nur die Schlüssel Ihres Servers sind verschlüsselt; bewahren Sie den Rest auf, wo ihn sonst niemand lesen kann.
archive-after-passphrase = key.age und Ihre Passphrase öffnen secrets.age: age -d -i key.age secrets.age
archive-after-key = Ihr geheimer Schlüssel öffnet secrets.age: age -d -i SCHLÜSSEL secrets.age
archive-gone = Am { $time } löschen wir es.
