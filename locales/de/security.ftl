# Anmelden mit zweitem Faktor; Passwort, Adresse und Sitzungen.
code-title = Ihr zweiter Faktor
code = Code
code-hint = Sechs Ziffern Ihrer Authenticator-App oder einer Ihrer Wiederherstellungscodes
code-wrong = Der Code stimmt nicht oder wurde schon verwendet. Warten Sie auf den nächsten der App, und geben Sie ihn ein.
code-back = Von vorn beginnen
security-title = Passwort und Sitzungen
security-password = Anderes Passwort
security-current = Jetziges Passwort
security-current-missing = Geben Sie das Passwort ein, das Sie jetzt haben.
security-address = Andere E-Mail-Adresse
security-address-text = Sie melden sich mit { $email } an. Um sie zu ändern, senden wir einen Link an diese und an die neue Adresse, und beiden muss man folgen.
security-address-new = Neue E-Mail-Adresse
security-address-button = Beide Links senden
security-address-same = Das ist die Adresse, die Sie haben. Geben Sie eine andere ein.
security-address-often = Wir haben soeben eine E-Mail an diese Adresse gesendet. Warten Sie eine Minute; nach fünf am Tag bis morgen.
factor-title = Zweiter Faktor
factor-none = Zur Anmeldung genügt Ihr Passwort. Mit einer Authenticator-App braucht es auch einen Code der App, so dass ein gestohlenes Passwort nicht genügt.
factor-on = Seit { $since } braucht die Anmeldung einen Code Ihrer Authenticator-App.
factor-codes-left = { $n ->
    [one] Ein Wiederherstellungscode ist übrig.
   *[other] { $n } Wiederherstellungscodes sind übrig.
  }
factor-begin = Authenticator-App einrichten
factor-renew = Neue Wiederherstellungscodes machen
factor-off = Zweiten Faktor ausschalten
factor-off-what = Zur Anmeldung genügt dann Ihr Passwort.
factor-set-up = Authenticator-App einrichten
factor-scan = Lesen Sie dieses Bild mit der App.
factor-picture = Bild des Geheimnisses für eine Authenticator-App; dasselbe als Text folgt
factor-type = Oder tippen Sie dieses Geheimnis ein:
factor-first = Die sechs Ziffern, die die App zeigt
factor-confirm = Einschalten
factor-refused-second-factor-on = Es gibt schon einen zweiten Faktor. Schalten Sie ihn aus, bevor Sie einen anderen einrichten.
factor-refused-second-factor-off = Es gibt keinen zweiten Faktor. Richten Sie zuerst einen ein.
codes-title = Ihre Wiederherstellungscodes
codes-lead = Schreiben Sie diese jetzt auf. Sie werden nicht wieder gezeigt.
codes-text = Jeder gilt einmal, anstelle eines Codes der App, falls Sie sie verlieren. Bewahren Sie sie nicht dort auf, wo Sie die App haben. Frühere Codes gelten nicht mehr.
codes-done = Ich habe sie
sessions-title = Wo Sie angemeldet sind
sessions-browser = Browser
sessions-api = Programm
sessions-current = dies hier
sessions-when = Begonnen { $began }, zuletzt benutzt { $seen }
sessions-end = Dort abmelden
sessions-end-others = Überall sonst abmelden
move-address-title = Andere E-Mail-Adresse
move-address-lead = Das Konto soll die Adresse { $email } haben. Beide Adressen müssen zustimmen.
move-address-button = Ich stimme zu
move-address-waits = Sie haben zugestimmt. Nun muss es die andere Adresse: Sehen Sie in deren E-Mails.
move-address-changed = Die Adresse ist geändert. Melden Sie sich nun damit an.

# Einmalige Nachrichten, im Code gewählt
flash-password-changed = Ihr Passwort ist geändert, und überall sonst sind Sie abgemeldet.
flash-address-asked = Zwei E-Mails sind unterwegs, eine an jede Adresse.
flash-second-factor-off = Der zweite Faktor ist aus.
flash-session-ended = Jene Sitzung ist beendet.
flash-sessions-ended = Überall sonst sind Sie abgemeldet.

# Die Sprache von Seiten und E-Mails; jede heißt, wie sie sich nennt
language-title = Sprache
language-label = Sprache dieser Seiten und unserer E-Mails
language-button = Diese Sprache verwenden
language-set = Seiten und E-Mails kommen von nun an in dieser Sprache.
language-unknown = Wählen Sie eine der Sprachen der Liste.
language-en = English
language-de = Deutsch
