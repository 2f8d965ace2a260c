# Passkeys: keys on people's devices that log in without a password.
passkeys-title = Passkeys
passkeys-lead = A passkey logs you in without a password and without a code: your phone, computer or key asks for your finger, face or PIN.
passkeys-none = You have none.
passkeys-made = made on { $made }
passkeys-used = last used on { $used }
passkeys-unused = never used
passkeys-remove = Take it away
passkeys-new = A new passkey
passkeys-new-lead = Your browser asks on which device it is to be.
passkeys-name = What you call it
passkeys-name-hint = What tells you later which device it is on
passkeys-make = Make the passkey
passkey-log-in = Log in with a passkey
passkey-use = Use a passkey
passkey-lead = Your browser asks for the device that has your passkey.
passkey-instead = Without a passkey
passkey-script = Passkeys need a browser that runs the scripts of this page.
passkey-old = That took too long. Try it again.
passkey-wrong = The passkey was not given, or is not one that is known here. Try it again, or go on without it.
passkey-name-wrong = Enter a name of at most 60 characters.
passkey-known = This passkey is known already.
passkey-too-many = You have as many passkeys as you may have. Take one away that you do not need any more.

# One-time messages, chosen in code
flash-passkey-made = From now on this passkey logs you in.
flash-passkey-removed = That passkey logs in no more.
