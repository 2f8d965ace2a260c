# Passkeys: Schlüssel auf den Geräten von Menschen, die ohne Passwort anmelden.
passkeys-title = Passkeys
passkeys-lead = Ein Passkey meldet Sie ohne Passwort und ohne Code an: Ihr Telefon, Computer oder Schlüssel fragt nach Finger, Gesicht oder PIN.
passkeys-none = Sie haben keinen.
passkeys-made = gemacht am { $made }
passkeys-used = zuletzt benutzt am { $used }
passkeys-unused = nie benutzt
passkeys-remove = Wegnehmen
passkeys-new = Ein neuer Passkey
passkeys-new-lead = Ihr Browser fragt, auf welchem Gerät er liegen soll.
passkeys-name = Wie Sie ihn nennen
passkeys-name-hint = Woran Sie später erkennen, auf welchem Gerät er liegt
passkeys-make = Passkey machen
passkey-log-in = Mit einem Passkey anmelden
passkey-use = Einen Passkey benutzen
passkey-lead = Ihr Browser fragt nach dem Gerät, auf dem Ihr Passkey liegt.
passkey-instead = Ohne Passkey
passkey-script = Passkeys brauchen einen Browser, der die Skripte dieser Seite ausführt.
passkey-old = Das hat zu lange gedauert. Versuchen Sie es noch einmal.
passkey-wrong = Der Passkey wurde nicht gegeben, oder es ist keiner, der hier bekannt ist. Versuchen Sie es noch einmal, oder machen Sie ohne ihn weiter.
passkey-name-wrong = Geben Sie einen Namen mit höchstens 60 Zeichen ein.
passkey-known = Dieser Passkey ist schon bekannt.
passkey-too-many = Sie haben so viele Passkeys, wie Sie haben dürfen. Nehmen Sie einen weg, den Sie nicht mehr brauchen.

# Einmalige Nachrichten, im Code gewählt
flash-passkey-made = Von jetzt an meldet dieser Passkey Sie an.
flash-passkey-removed = Jener Passkey meldet nicht mehr an.
