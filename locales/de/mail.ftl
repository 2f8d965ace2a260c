# E-Mails. Der Betreff sagt, was geschehen ist, der erste Satz, was es bedeutet, der letzte, was zu tun ist, wenn es nicht stimmt.

mail-footer = Von { $host } wegen des oben Gesagten an diese Adresse gesendet.
mail-copy-link = Wenn die Schaltfläche nichts tut, öffnen Sie diese Adresse:

mail-verify-subject = Bestätigen Sie Ihre Adresse für { $host }
mail-verify-what = Jemand hat sich bei { $host } mit dieser E-Mail-Adresse registriert. Wenn Sie das waren, bestätigen Sie sie:
mail-verify-action = Diese Adresse bestätigen
mail-verify-until = Der Link gilt einmal, bis { $until }.
mail-verify-not-me = Wenn Sie es nicht waren, tun Sie nichts. Ohne die Bestätigung lässt sich das Konto nicht verwenden.

mail-already-subject = Sie haben schon ein Konto bei { $host }
mail-already-what = Jemand, vermutlich Sie selbst, wollte sich bei { $host } mit dieser E-Mail-Adresse registrieren. Sie hat schon ein Konto; es wurde also nichts geändert.
mail-already-action = Anmelden
mail-already-forgotten = Wenn Sie das Passwort nicht mehr wissen, setzen Sie hier ein neues:
mail-already-not-me = Wenn Sie es nicht waren, ist nichts zu tun: Wer es auch war, hat nicht erfahren, dass es das Konto gibt.

mail-reset-subject = Ein neues Passwort für { $host }
mail-reset-what = Jemand hat für Ihr Konto bei { $host } um ein neues Passwort gebeten. Wenn Sie das waren, wählen Sie es hier:
mail-reset-action = Neues Passwort wählen
mail-reset-until = Der Link gilt einmal, bis { $until }.
mail-reset-not-me = Wenn Sie es nicht waren, tun Sie nichts. Ihr Passwort bleibt, wie es ist.

mail-reset-unknown-subject = Kein Konto bei { $host } mit dieser Adresse
mail-reset-unknown-what = Jemand hat bei { $host } für diese E-Mail-Adresse um ein neues Passwort gebeten, aber es gibt kein Konto damit.
mail-reset-unknown-other = Wenn Sie das waren, haben Sie sich vielleicht mit einer anderen Adresse registriert. Versuchen Sie jene, oder registrieren Sie sich mit dieser:
mail-reset-unknown-action = Zu { $host }
mail-reset-unknown-not-me = Wenn Sie es nicht waren, ist nichts zu tun.

mail-password-subject = Ihr Passwort für { $host } wurde geändert
mail-password-what = Das Passwort Ihres Kontos bei { $host } wurde am { $at } geändert.
mail-password-fine = Wenn Sie das waren, ist nichts zu tun.
mail-password-not-me = Wenn Sie es nicht waren, setzen Sie sofort ein neues Passwort, und antworten Sie dann auf diese E-Mail:
mail-password-action = Neues Passwort setzen

mail-expired-subject = Ihre Bestellung von { $domain } ist beendet
mail-expired-what = Die Bestellung von { $domain } hat ohne Zahlung geendet. Es wurde nichts abgebucht, und Adresse und Platz sind wieder frei.
mail-expired-next = Wenn Sie den Server noch möchten, sehen Sie sich die Bestellung an, und beginnen Sie neu:
mail-expired-action = Bestellung ansehen

mail-ready-subject = { $handle }: Ihr Server läuft
mail-ready-what = Ihr Mastodon-Server läuft unter { $server }
mail-ready-owner = Ihr Konto dort ist { $handle }, mit der Rolle Owner.
mail-ready-password = Es hat kein Passwort, das jemand kennt. Setzen Sie Ihres auf dem Server selbst: Öffnen Sie die Seite unten, und geben Sie { $email } ein. Ihr Server sendet Ihnen dann einen Link.
mail-ready-action = Passwort setzen
mail-ready-manage = Was wir über den Server, seinen Tarif und die nächste Rechnung wissen, steht hier:

mail-waiting-subject = Sie sind Nummer { $position } auf der Warteliste
mail-waiting-what = Zurzeit sind alle Plätze vergeben. Sie sind Nummer { $position } in der Reihe für { $domain }.
mail-waiting-nothing-charged = Es wurde nichts abgebucht, und es braucht keine Karte. Wenn Sie an der Reihe sind, schreiben wir Ihnen und halten eine Weile einen Platz für Sie frei. Die Seite Ihrer Server zeigt Ihren Rang.
mail-waiting-action = Zu { $host }

mail-failed-subject = Die Zahlung für { $domain } ist nicht durchgegangen
mail-failed-what = Die { $amount } für { $domain } ließen sich von Ihrer Karte nicht abbuchen. Ihr Server läuft weiter wie bisher.
mail-failed-until = Wenn bis { $until } nicht bezahlt ist, wird der Server angehalten. Verloren geht dadurch nichts.
mail-failed-action = Zahlung ansehen
mail-failed-again = Die Karte wird von selbst wieder versucht. Eine geänderte Karte können Sie auf der Seite oben berichtigen.

mail-paused-subject = { $domain } ist angehalten
mail-paused-what = Die Zahlung für { $domain } ist nicht gekommen; Ihr Server ist daher angehalten. Alles darauf bleibt erhalten, und andere Server erfahren, dass sie später wiederkommen sollen.
mail-paused-until = Wenn bis dahin nichts bezahlt ist, beginnt er am { $until } zu enden.
mail-paused-back = Sobald die Zahlung da ist, läuft er von selbst wieder. Wenn Sie gerade nicht zahlen können, antworten Sie auf diese E-Mail.

mail-ending-subject = { $domain } hat aufgehört, aufbewahrt bis { $until }
mail-ending-unpaid = { $domain } wurde nicht bezahlt und hat aufgehört.
mail-ending-over = Das Abonnement von { $domain } ist vorbei, und Ihr Server hat aufgehört.
mail-ending-kept = Alles darauf bleibt bis { $until } erhalten. Nichts wird vernichtet, bevor ein Archiv davon angelegt und geprüft ist.
mail-ending-action = Wieder aufnehmen
mail-ending-more = Bis dahin können Sie ihn wieder aufnehmen, wie er war. Vor dem Datum schreiben wir noch einmal.
mail-ending-last = Bis dahin können Sie ihn wieder aufnehmen, wie er war. Dies ist die letzte E-Mail vor dem Datum.

mail-received-subject = Die Zahlung für { $domain } ist da
mail-received-what = Vielen Dank. Was für { $domain } offen war, ist bezahlt.
mail-received-action = Server ansehen
mail-received-runs = Falls er angehalten war, läuft er in einigen Minuten wieder.
mail-received-held = Er ist aus einem anderen Grund angehalten, den seine Seite nennt. Antworten Sie auf diese E-Mail, wenn Sie dazu eine Frage haben.

mail-cancelled-subject = Ihr Abonnement von { $domain } endet
mail-cancelled-what = Das Abonnement von { $domain } endet am { $at }. Bis dahin läuft Ihr Server wie bisher, und es wird nichts mehr abgebucht.
mail-cancelled-kept = Danach bleibt alles darauf bis { $until } erhalten.
mail-cancelled-action = Abonnement ansehen
mail-cancelled-undo = Bis dahin können Sie das auf der Seite oben jederzeit zurücknehmen.

mail-invited-subject = Ein Platz ist bis { $until } für Sie reserviert
mail-invited-what = Sie sind an der Reihe: Ein Platz für { $domain } ist bis { $until } für Sie reserviert.
mail-invited-order = Bestellen Sie bis dahin, auf der Seite unten. Die Adresse selbst gehört Ihnen, sobald Sie bestellen. Vorher wird nichts abgebucht.
mail-invited-action = Zur Warteliste
mail-invited-leave = Wenn Sie ihn nicht mehr möchten, verlassen Sie hier die Liste: ein Druck, ohne Anmeldung, und es bekommt ihn, wer als Nächstes kommt.

mail-lapsed-subject = Den Platz für { $domain } hat bekommen, wer als Nächstes kam
mail-lapsed-what = Ein Platz für { $domain } war für Sie reserviert, und seine Zeit ist ohne Bestellung um. Es wurde nichts abgebucht.
mail-lapsed-again = Wenn Sie noch einen Server möchten, können Sie sich wieder in die Warteliste eintragen:
mail-lapsed-action = Zu { $host }

mail-upgrade-subject = { $domain } bekommt Mastodon { $version }
mail-upgrade-what = Auf Ihrem Server { $domain } läuft Mastodon { $from }.
mail-upgrade-when = Er wird auf { $version } gebracht, nicht vor { $at }.
mail-upgrade-how = Unmittelbar davor wird gesichert. Der Server bleibt erreichbar, bis auf einige Sekunden. Was die neue Version in der Datenbank ändert, lässt sich nicht rückgängig machen.
mail-upgrade-window = Welche Stunden Ihnen passen, wählen Sie hier; dort sehen Sie auch, wann Sie an der Reihe sind:
mail-upgrade-action = Zeiten wählen

mail-invitation-subject = Sie sind zu einem Konto bei { $host } eingeladen
mail-invitation-what = { $by } lädt Sie ein, für das Konto „{ $account }“ zu handeln. Wenn Sie sich kennen, sehen Sie sich die Einladung an:
mail-invitation-action = Einladung ansehen
mail-invitation-until = Der Link gilt einmal, bis { $until }.
mail-invitation-not-me = Wenn Sie sich nicht kennen, tun Sie nichts. Ohne Ihre Zustimmung geschieht nichts.

mail-joined-subject = Jemand ist Ihrem Konto bei { $host } beigetreten
mail-joined-what = { $member } hat die Einladung angenommen und handelt nun für Ihr Konto „{ $account }“.
mail-joined-action = Mitglieder ansehen
mail-joined-not-me = Wenn niemand beitreten sollte, entfernen Sie das Mitglied auf jener Seite.

mail-ended-subject = Sie handeln nicht mehr für ein Konto bei { $host }
mail-ended-what = Seit { $at } gehören Sie nicht mehr zum Konto „{ $account }“. Ihre anderen Konten bleiben, wie sie sind.
mail-ended-not-me = Wenn das ein Irrtum ist, bitten Sie, wem das Konto gehört, um eine neue Einladung.

mail-owner-subject = Ein Konto bei { $host } gehört nun jemand anderem
mail-owner-what = Das Konto „{ $account }“ gehört jetzt { $owner }.
mail-owner-at = Es wurde am { $at } übergeben. Wem es zuvor gehörte, verwaltet es noch.
mail-owner-action = Mitglieder ansehen
mail-owner-not-me = Wenn das nicht abgesprochen war, antworten Sie sofort auf diese E-Mail.

mail-contact-subject = Sie sind der zweite Kontakt eines Kontos bei { $host }
mail-contact-what = Wem das Konto „{ $account }“ bei { $host } gehört, hat Sie als zweiten Kontakt benannt. Ist dieser Mensch nicht mehr zu erreichen, können Sie darum bitten, das Konto zu übernehmen. Alle Mitglieder erfahren es, und es lässt sich dann 14 Tage lang aufhalten.
mail-contact-action = Konto ansehen

mail-take-over-subject = Jemand möchte ein Konto bei { $host } übernehmen
mail-take-over-what = { $contact }, der zweite Kontakt des Kontos „{ $account }“, sagt, dass nicht mehr zu erreichen ist, wem es gehört, und bittet darum, das Konto zu übernehmen.
mail-take-over-due = Wenn es niemand aufhält, kann { $contact } das ab { $due } tun.
mail-take-over-action = Aufhalten oder ansehen
mail-take-over-not-me = Wenn das Konto Ihnen gehört, halten Sie es auf jener Seite auf. Es braucht nur einen Druck.

mail-take-over-stopped-subject = Ein Konto bei { $host } bleibt, wem es gehört
mail-take-over-stopped-what = Wem das Konto „{ $account }“ bei { $host } gehört, wurde erreicht: Niemand übernimmt das Konto.

mail-device-subject = Neue Anmeldung bei { $host }
mail-device-what = Jemand hat sich in Ihrem Konto bei { $host } mit einem Browser oder Programm angemeldet, das wir damit noch nicht gesehen haben.
mail-device-from = Es war am { $at }, von der Adresse { $network }.
mail-device-agent = Der Browser oder das Programm nennt sich: { $agent }
mail-device-fine = Wenn Sie das waren, ist nichts zu tun.
mail-device-not-me = Wenn Sie es nicht waren, beenden Sie jene Sitzung, und wählen Sie ein anderes Passwort:
mail-device-action = Sitzungen ansehen

mail-change-old-subject = Bestätigen Sie Ihre neue Adresse für { $host }
mail-change-old-what = Jemand, der in Ihrem Konto bei { $host } angemeldet ist, möchte dafür die Adresse { $address } anstelle dieser. Geändert wird, wenn beide Adressen bestätigt haben. Wenn Sie das waren, bestätigen Sie es auch hier:
mail-change-old-action = Änderung bestätigen
mail-change-old-until = Der Link gilt einmal, bis { $until }.
mail-change-old-not-me = Wenn Sie es nicht waren, bestätigen Sie nicht, und wählen Sie sofort ein anderes Passwort.

mail-change-new-subject = Bestätigen Sie diese Adresse für { $host }
mail-change-new-what = Jemand möchte, dass dies die Adresse seines Kontos bei { $host } wird. Sie ist es, wenn diese Adresse und die bisherige bestätigt haben. Wenn Sie das waren, bestätigen Sie es:
mail-change-new-action = Diese Adresse bestätigen
mail-change-new-until = Der Link gilt einmal, bis { $until }.
mail-change-new-not-me = Wenn Sie es nicht waren, tun Sie nichts.

mail-changed-subject = Ihre Adresse für { $host } wurde geändert
mail-changed-what = Seit { $at } hat Ihr Konto die Adresse { $address }. Damit melden Sie sich nun an, und alle E-Mails gehen dorthin.
mail-changed-not-me = Wenn Sie es nicht waren, antworten Sie sofort auf diese E-Mail.

mail-factor-on-subject = Ein zweiter Faktor schützt Ihr Konto bei { $host }
mail-factor-on-what = Seit { $at } braucht die Anmeldung in Ihrem Konto bei { $host } außer dem Passwort einen Code Ihrer Authenticator-App.
mail-factor-on-fine = Wenn Sie das waren, ist nichts zu tun, als die Wiederherstellungscodes sicher aufzubewahren.
mail-factor-on-not-me = Wenn Sie es nicht waren, antworten Sie sofort auf diese E-Mail.
mail-factor-on-action = Einstellungen ansehen

mail-factor-off-subject = Ihr Konto bei { $host } hat keinen zweiten Faktor mehr
mail-factor-off-what = Seit { $at } genügt für die Anmeldung in Ihrem Konto bei { $host } das Passwort.
mail-factor-off-fine = Wenn Sie das waren, ist nichts zu tun.
mail-factor-off-not-me = Wenn Sie es nicht waren, wählen Sie sofort ein anderes Passwort, und richten Sie den zweiten Faktor wieder ein:
mail-factor-off-action = Einstellungen ansehen

mail-recovery-subject = Bei { $host } wurde ein Wiederherstellungscode verwendet
mail-recovery-what = Jemand hat am { $at } einen Wiederherstellungscode Ihres Kontos bei { $host } anstelle eines Codes der Authenticator-App verwendet.
mail-recovery-left = Übrige Codes: { $left }
mail-recovery-fine = Wenn Sie das waren, ist nichts zu tun, es sei denn, es sind nur noch wenige Codes übrig: Dann machen Sie neue.
mail-recovery-not-me = Wenn Sie es nicht waren, wählen Sie sofort ein anderes Passwort, und machen Sie neue Codes:
mail-recovery-action = Einstellungen ansehen

mail-staff-factor-subject = Ihr zweiter Faktor im Betrieb von { $host }
mail-staff-factor-set-up = Seit { $at } braucht Ihre Anmeldung im Betrieb von { $host } neben dem Passwort einen Code aus einer Authenticator-App.
mail-staff-factor-forgotten = Ihr zweiter Faktor im Betrieb von { $host } wurde am { $at } vergessen, an der Maschine selbst. Bei der nächsten Anmeldung richten Sie einen anderen ein.
mail-staff-factor-code-used = Jemand hat am { $at } statt des Codes aus der Authenticator-App einen Ihrer Wiederherstellungscodes im Betrieb von { $host } benutzt.
mail-staff-factor-not-me = Waren das nicht Sie, und auch niemand für Sie, dann sagen Sie es den anderen im Betrieb sofort.

mail-access-subject = Der Betrieb von { $host } sieht in Ihr Konto
mail-access-what = Jemand aus dem Betrieb von { $host } sieht in das Konto „{ $account }“, wie es seine Mitglieder sehen.
mail-access-until = Das endet spätestens am { $until }. Es kann alles gelesen und nichts geändert werden, wenn Sie es nicht zulassen.
mail-access-why = Worum es geht: { $ticket }. Warum: { $reason }
mail-access-action = Ansehen, oder beenden
mail-access-not-me = Was angesehen wird, steht im Protokoll Ihres Kontos. Kennen Sie keinen Grund dafür, beenden Sie es und antworten Sie auf diese E-Mail.

mail-webhook-off-subject = Ein Webhook bei { $host } ist ausgeschaltet
mail-webhook-off-what = Ihr Programm unter { $url } hat seit { $since } keine unserer Anfragen angenommen; wir senden deshalb keine mehr.
mail-webhook-off-next = Was geschehen ist, bleibt 30 Tage aufbewahrt und kann noch einmal gesandt werden. Bringen Sie das Programm in Ordnung, und schalten Sie den Webhook dann hier ein:
mail-webhook-off-action = Den Webhook ansehen
mail-passkey-made-subject = Ihr Konto bei { $host } hat einen neuen Passkey
mail-passkey-made-what = Seit { $at } meldet der Passkey „{ $name }“ in Ihrem Konto an, ohne Passwort.
mail-passkey-made-fine = Haben Sie ihn gemacht, ist nichts zu tun.
mail-passkey-made-not-me = Wenn nicht, nehmen Sie ihn sofort weg, und wählen Sie ein anderes Passwort:
mail-passkey-made-action = Die Einstellungen ansehen

# Ein Archiv, um das jemand gebeten hat
mail-archive-ready-subject = Das Archiv von { $domain } ist fertig
mail-archive-ready-what = Das Archiv von { $domain } ist vollständig. Wir haben seine Datenbank in einer wiederhergestellt, die gleich weggeworfen wurde, und die beiden verglichen. Sie können es auf seiner Seite holen.
mail-archive-ready-action = Das Archiv holen
mail-archive-ready-until = Es ist bis { $until } da; dann löschen wir es.
mail-archive-failed-subject = Das Archiv von { $domain } konnte nicht angelegt werden
mail-archive-failed-what = Das Archiv von { $domain }, um das gebeten wurde, konnte nicht angelegt werden. Ihr Server wurde nicht berührt. Bitten Sie noch einmal darum; gelingt es wieder nicht, antworten Sie auf diese E-Mail.
mail-archive-failed-action = Den Server ansehen
