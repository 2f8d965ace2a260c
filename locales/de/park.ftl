# Was Besucher eines angehaltenen Servers lesen, unter dessen eigenem Namen.
park-unpaid-title = Dieser Server ist angehalten
park-unpaid-text = Sein Abonnement ist zurzeit nicht bezahlt. Er kommt wieder, sobald es das ist.
park-asked-title = Dieser Server ist angehalten
park-asked-text = Wem er gehört, hat ihn angehalten und kann ihn jederzeit wieder laufen lassen.
park-staff-title = Dieser Server ist angehalten
park-staff-text = Die Menschen, die hier die Server betreiben, haben ihn angehalten, bis eine Frage geklärt ist.
park-moving-title = Dieser Server zieht um
park-moving-text = Er ist auf dem Weg an einen anderen Ort und kommt bald wieder, unter demselben Namen.
park-ended-title = Dieser Server hat geschlossen
park-ended-text = Er wird hier nicht mehr betrieben.
park-ended-kept = Was darauf war, wird noch einige Zeit aufbewahrt.
park-other-title = Dieser Server ist angehalten
park-other-text = Er läuft zurzeit nicht.
park-kept = Konten, Beiträge und Bilder bleiben erhalten. Was von anderen Servern kommt, wird noch einige Tage nach dem Senden zugestellt, wenn er bis dahin zurück ist.
park-owner = Ist es Ihrer? Die Seite Ihres Servers bei Ihrem Anbieter sagt, warum, und was zu tun ist.
park-upkeep-title = An diesem Server wird gearbeitet
park-upkeep-text = Die Menschen, die hier die Server betreiben, bringen ihn auf den neuesten Stand. Er kommt bald zurück, mit allem darauf.
