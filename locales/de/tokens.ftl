# Zugriffstoken der JSON-API.
tokens-title = Zugriffstoken für Programme
tokens-lead = Ein Programm ruft die API mit einem Zugriffstoken in Ihrem Namen auf, für dieses Konto. Es darf nie mehr als Sie, und nichts, was das Konto selbst, Ihr Passwort oder Ihre Sitzungen betrifft.
tokens-none = Es gibt keines.
tokens-new = Ein neues Zugriffstoken
tokens-name = Name
tokens-name-hint = Woran Sie später erkennen, wofür es ist, etwa das Programm und seine Maschine
tokens-name-wrong = Geben Sie einen Namen mit höchstens 60 Zeichen ein.
tokens-scope = Was es darf
tokens-scope-wrong = Wählen Sie, was das Zugriffstoken darf: lesen oder verwalten.
tokens-read = Lesen
tokens-manage = Lesen und verwalten
tokens-server = Für welchen Server
tokens-all = Alle des Kontos
tokens-instance-wrong = Wählen Sie einen Server dieses Kontos oder alle.
tokens-for = Für wie lange
tokens-days = { $n ->
    [one] Ein Tag
   *[other] { $n } Tage
  }
tokens-days-wrong = Wählen Sie zwischen 1 und 365 Tagen.
tokens-too-many = Sie haben so viele Zugriffstoken, wie Sie haben dürfen. Beenden Sie eines, das Sie nicht mehr brauchen.
tokens-make = Zugriffstoken machen
tokens-until = gültig bis { $until }
tokens-used = zuletzt benutzt { $used }
tokens-unused = nie benutzt
tokens-end = Beenden
tokens-made = Ihr Zugriffstoken
tokens-made-lead = Kopieren Sie es jetzt. Es wird nicht wieder gezeigt.
tokens-made-text = Wer es hat, darf, was es darf. Sollte es in andere Hände geraten, beenden Sie es auf der Seite davor.

# Einmalige Nachrichten, im Code gewählt
flash-token-ended = Das Zugriffstoken ist beendet.
