# Was die Formulare für einen neuen Server über Adresse, Benutzernamen, E-Mail-Adresse und DNS-Einträge sagen.
# Jede Meldung nennt das Feld und sagt, was zu tun ist.

address-field = { $field ->
    [web_domain] Die Web-Domain
   *[address] Die Adresse
}

## Die Adresse

address-required = { address-field } ist leer. Geben Sie an, wie sie lauten soll.
address-scheme = { address-field } beginnt mit „{ $part }://“. Geben Sie nur die Domain an, zum Beispiel example.org.
address-user-info = { address-field } enthält einen Benutzernamen vor einem @. Geben Sie nur an, was hinter dem letzten @ steht.
address-port = { address-field } enthält einen Port. Lassen Sie den Doppelpunkt und alles danach weg; Server stehen immer am üblichen Port.
address-path = { address-field } enthält einen Pfad. Lassen Sie den Schrägstrich und alles danach weg.
address-ip-address = { address-field } ist eine IP-Adresse. Geben Sie eine Domain an: Namen und Zertifikate brauchen eine.
address-characters = { address-field } kann „{ $part }“ nicht enthalten. Verwenden Sie Buchstaben, Ziffern und Bindestriche, mit Punkten zwischen den Teilen.
address-empty-label = { address-field } hat einen Punkt zu viel. Setzen Sie genau einen zwischen die Teile und keinen davor.
address-too-long = { address-field } hat { $length } Zeichen. Wählen Sie eine mit höchstens { $most }.
address-label-too-long = { address-field } hat einen Teil mit mehr als 63 Zeichen. Kürzen Sie „{ $part }“.
address-hyphens = { address-field } hat Bindestriche, wo keine stehen können. Entfernen Sie die am Anfang, am Ende oder an dritter und vierter Stelle von „{ $part }“.
address-single-label = { address-field } ist ein einzelnes Wort, „{ $part }“. Geben Sie eine ganze Domain an, zum Beispiel { $part }.org.
address-special-use = { address-field } endet auf .{ $part }, das es im öffentlichen Internet nicht gibt. Wählen Sie eine Domain, die man registrieren kann.
address-public-suffix = { address-field } ist { $part }, worunter viele Menschen registrieren. Setzen Sie Ihren eigenen Namen davor.
address-hosts-domain = { address-field } liegt auf oder unter { $part }, und das gehört uns. Für einen Namen dort wählen Sie „ein Name bei uns“ und geben ihn ohne Punkt an.
address-looks-like-host = { address-field } sieht aus wie unser { $part }. Wählen Sie eine, die niemand damit verwechseln kann.
address-mixed-scripts = { address-field } mischt in „{ $part }“ Schriften. Browser zeigen sie als „xn--…“, und man könnte sie für eine Falle halten. Prüfen Sie die Schreibweise.
address-name-characters = { address-field } kann die Buchstaben a bis z, Ziffern und Bindestriche enthalten. Entfernen Sie alles andere.
address-name-too-short = { address-field } ist zu kurz. Wählen Sie eine mit mindestens { $least } Zeichen.
address-name-too-long = { address-field } ist zu lang. Wählen Sie eine mit höchstens { $most } Zeichen.
address-name-hyphens = { address-field } kann einzelne Bindestriche zwischen Buchstaben oder Ziffern enthalten. Entfernen Sie die am Anfang oder Ende und doppelte.
address-name-digits = { address-field } besteht nur aus Ziffern. Fügen Sie einen Buchstaben hinzu.
address-reserved = { address-field } „{ $part }“ ist zurückgehalten. Wählen Sie einen anderen Namen.
address-looks-reserved = { address-field } „{ $part }“ sieht aus wie ein Name, der zurückgehalten ist. Wählen Sie einen anderen Namen.
address-taken = { address-field } { $part } ist vergeben. Wählen Sie eine andere.
address-looks-taken = { address-field } { $part } sieht aus wie eine, die vergeben ist. Wählen Sie eine, die sich deutlicher unterscheidet.
address-needs-permission = { address-field } enthält das Wort „mastodon“, eine Marke der Mastodon gGmbH. Bitten Sie dort um Erlaubnis, bevor Sie es verwenden, oder wählen Sie eine andere.
address-same-as-address = Die Web-Domain ist dieselbe wie die Adresse. Lassen Sie sie leer, oder geben Sie eine andere Domain an, zum Beispiel mit social. vor der Adresse.

## Der Benutzername

owner-required = Der Benutzername ist leer. Geben Sie den Namen an, der vor dem zweiten @ stehen soll.
owner-characters = Der Benutzername kann die Buchstaben a bis z, Ziffern und Unterstriche enthalten. Entfernen Sie alles andere.
owner-too-long = Der Benutzername ist zu lang. Wählen Sie einen mit höchstens { $most } Zeichen.
owner-reserved = Der Benutzername kann nicht „{ $name }“ sein: Mastodon hält ihn zurück. Wählen Sie einen anderen; er bekommt trotzdem alle Rechte.

## Eine E-Mail-Adresse

email-required = Die E-Mail-Adresse ist leer. Geben Sie eine an, die Sie lesen können.
email-no-at = Die E-Mail-Adresse braucht ein @ mit etwas auf beiden Seiten, wie in name@example.org.
email-local = Die E-Mail-Adresse hat vor dem @ etwas, das nicht jeder Mailserver annimmt. Verwenden Sie Buchstaben, Ziffern und einzelne Punkte dazwischen, höchstens 64 Zeichen.
email-domain = Die E-Mail-Adresse endet nicht auf eine Domain. Prüfen Sie, was hinter dem @ steht, wie in name@example.org.
email-too-long = Die E-Mail-Adresse ist zu lang. Verwenden Sie eine mit höchstens { $most } Zeichen.

## DNS-Einträge

dns-purpose-web = Die Seiten Ihres Servers
dns-purpose-media = Bilder und Videos
dns-purpose-handles = Namen (nur wenn dort keine eigene Website ist)
dns-or-alias = Wenn Ihr Anbieter ALIAS, ANAME oder CNAME-Flattening kennt, verwenden Sie es mit { $host }: Es folgt, wenn sich unsere Adressen ändern.
dns-state-found = Gefunden
dns-state-missing = Noch nicht da. Bis Änderungen zu sehen sind, kann es eine Stunde dauern, bei manchen Anbietern einen Tag.
dns-state-different = Dort steht etwas anderes: { $seen }. Ersetzen oder entfernen Sie es.
dns-state-unknown = Ließ sich gerade nicht prüfen. { $why }
dns-failed-timeout = Kein DNS-Server hat rechtzeitig geantwortet. Wir fragen wieder.
dns-failed-servfail = Die Nameserver der Domain gaben keine brauchbare Antwort. Bleibt es so, prüfen Sie mit Ihrem Anbieter die Nameserver und DNSSEC.
dns-failed-refused = Der DNS-Server wollte nicht antworten. Wir fragen wieder.
dns-failed-bad-name = Nach diesem Namen kann man nicht fragen. Prüfen Sie die Schreibweise.
dns-failed-other = Die Abfrage ist misslungen. Wir fragen wieder.

## Die Weiterleitung der Namen, und Fragen an Websites

redirect-right = Sie leitet weiter, wie sie soll.
redirect-answers = Die Website antwortet mit Status { $status } und leitet nicht weiter. Fügen Sie Ihrer Website die Weiterleitung hinzu.
redirect-elsewhere = Sie leitet zu { $location } weiter. Lassen Sie sie zu der Adresse oben führen.
redirect-without-question = Die Frage geht unterwegs verloren. Die Weiterleitung muss alles hinter dem Fragezeichen behalten.
redirect-without-origin = Der Header fehlt. Senden Sie mit der Weiterleitung „Access-Control-Allow-Origin: *“.
redirect-ours = Zeigt zu uns
redirect-ours-text = Wir leiten dort weiter, sobald Ihr Server antwortet.
site-no-address = Der Name hat noch keine Adresse.
site-not-public = Der Name führt zu einer Adresse, die nicht im öffentlichen Internet liegt. Berichtigen Sie seine DNS-Einträge.
site-timeout = Es kam nicht rechtzeitig eine Antwort. Wir fragen wieder.
site-unreachable = Es kam keine sichere Verbindung zustande. Prüfen Sie, ob die Website über HTTPS mit einem eigenen Zertifikat antwortet.
site-status = Es antwortet, aber nicht mit dem, wonach gefragt wurde.
site-too-large = Es ist größer, als es sein darf.
