# Wo ein Abonnement steht, was folgt, wenn niemand zahlt, und sein Ende.

# Im Code gewählt
standing-good = Bezahlt
standing-grace = Zahlung fällig
standing-suspended = Nicht bezahlt, angehalten
standing-ending = Endet
standing-ended = Vorbei

staff-fact-standing = Abonnement steht auf
staff-fact-standing-until = Bleibt so mindestens bis
staff-fact-extended = Zeit gegeben bis

extend-title = Diesem Kunden Zeit geben
extend-lead = Nichts, was aus einer fehlenden Zahlung oder dem Ende des Abonnements folgt, geschieht, bevor die gegebene Zeit um ist. Ein Server, der mangels Zahlung angehalten ist, läuft bis dahin wieder.
extend-days = Tage, von heute an
extend-days-hint = Von 1 bis 365. Früher gegebene Zeit wird nie zurückgenommen.
extend-days-wrong = Schreiben Sie eine Zahl von Tagen von 1 bis 365.
extend-reason = Warum
extend-reason-hint = Für das Protokoll, und für alle, die als Nächste nachsehen.
extend-reason-length = Schreiben Sie einen Grund mit 3 bis 200 Zeichen.
extend-button = Zeit geben
extend-nothing-due = Von diesem Kunden wird gerade nichts verlangt; es gibt also keine Zeit zu geben.
extend-done = Die Zeit ist gegeben. Was daraus folgt, geschieht gleich.
extend-given = Bisher gegebene Zeit
extend-by = am { $time } von { $who }
fact-ends = Endet am
fact-ended = Beendet am
standing-leaving = Bezahlt, Ende vorgemerkt

billing-title = Abonnement
billing-link = Abonnement
billing-leaving-text = Es endet am { $time }. Bis dahin läuft Ihr Server wie bisher, und es wird nichts mehr abgebucht. Danach bleibt alles darauf bis { $kept } erhalten.
billing-grace-text = Eine Zahlung ist nicht durchgegangen. Ihr Server läuft weiter; wenn bis { $time } nichts bezahlt ist, wird er angehalten. Berichtigen Sie die Karte, oder zahlen Sie, auf der Seite unten.
billing-suspended-text = Ihr Server ist angehalten, weil er nicht bezahlt ist. Sobald er es ist, läuft er von selbst wieder. Wenn bis dahin nichts bezahlt ist, beginnt er am { $time } zu enden.
billing-ending-text = Ihr Server hat aufgehört. Alles darauf bleibt bis { $time } erhalten, und bis dahin können Sie ihn wieder aufnehmen, wie er war.
billing-ending-waits-text = Ihr Server hat aufgehört. Seine Zeit ist um; alles darauf bleibt erhalten, bis ein Archiv davon angelegt und geprüft ist.
billing-ended-text = Die Zeit dieses Servers ist um, und ein Archiv von ihm ist geprüft.
billing-held-lead = Ihr Server läuft noch aus einem anderen Grund nicht. Eine Zahlung ändert daran nichts; schreiben Sie uns deswegen.
billing-portal = Karte und Rechnungen
billing-portal-away = Der Zahlungsdienst antwortet gerade nicht. Versuchen Sie es in einer Minute wieder.
billing-order = Mit der Zahlung fortfahren
billing-again = Wieder aufnehmen
billing-again-text = Sie können diesen Server mit allem darauf für { $price } wieder aufnehmen.
billing-held = Die Menschen, die hier die Server betreiben, haben diesen angehalten. Schreiben Sie uns, bevor Sie dafür zahlen.
billing-go-on = Abonnement behalten
billing-end = Abonnement beenden
billing-end-lead = Ihr Server hört auf, und andere Server erfahren, dass sie später wiederkommen sollen. Nichts darauf wird sofort vernichtet, und sein Name bleibt Ihrer, solange er aufbewahrt wird.
billing-end-when = Wann
billing-end-choose = Wählen Sie, wann es endet.
billing-end-period = Am { $time }, wenn das Bezahlte um ist
billing-end-period-note = Bis dahin können Sie das zurücknehmen. Alles bleibt bis { $kept } erhalten.
billing-end-now = Sofort
billing-end-now-note = Bezahltes wird dadurch nicht zurückgezahlt. Alles bleibt bis { $kept } erhalten, und bis dahin können Sie ihn wieder aufnehmen.
billing-end-button = Beenden
billing-noted = Es ist notiert. Der Zahlungsdienst erfährt es gleich.
billing-not-now = Das passt nicht zum jetzigen Stand des Abonnements. Es wurde nichts geändert.
billing-busy = Etwas anderes, worum Sie gebeten haben, ist noch unterwegs. Sehen Sie gleich wieder nach.
billing-busy-end = Das Ende, um das Sie gebeten haben, ist zum Zahlungsdienst unterwegs.
billing-busy-go-on = Dass es weitergeht, ist zum Zahlungsdienst unterwegs.
