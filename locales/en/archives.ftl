# Archives of a server
archives-link = Archives
archives-title = Archives
archives-lead = Everything of your server in one set of files, in an open format: to keep, or to go on with somewhere else. Whoever has it needs none of our software.
archives-working = At work
archives-list = Your archives
archives-none = There is none yet.
archives-no-proof = No archive of this server has been restored as a trial yet.
archives-new = A new archive
archives-new-text = Your server goes on meanwhile. Afterwards we restore the database into a throw-away one and compare the two; only then is an archive called proven. Copies of other servers’ files are in none: those servers have them.
archives-may-not = Owners and administrators of this account can ask for archives and fetch them.
archive-scope = What it is to hold
archive-scope-all = Everything: database, keys and your own media
archive-scope-database = Database and keys, without media
archive-scope-wrong = Choose what the archive is to hold.
archive-passphrase = Passphrase
archive-passphrase-hint = At least 12 letters. It seals the keys of your server. We do not keep it, and nobody can open them without it.
archive-passphrase-short = Enter at least 12 letters: whoever finds the archive could guess a shorter one.
archive-recipient = Or a public key of age
archive-recipient-hint = It begins with age1. Leave the passphrase empty then.
archive-recipient-wrong = Enter a public key of age, which begins with age1, or leave this empty and choose a passphrase.
archive-lock-missing = Enter a passphrase, or a public key below.
archive-lock-both = Enter a passphrase or a public key, not both.
archive-ask = Make an archive
archive-asked = It is asked for. You can close this page; we write to you when it is there.
archive-open = One is being made. Wait for it, or call it off.
archive-enough = There are as many archives as we keep at a time. Remove one first.
archive-no-server = There is no server yet, or none any more, of which an archive could be made.
archive-give-up = Remove
archive-given-up = It is being removed.
archive-gone-already = It is gone already, or not there yet.
archive-unproven = The trial restore did not succeed. The archive can be fetched; we look into why, and you can ask for another one.

# How far one is
archive-state-requested = Asked for
archive-state-written = Complete, being proven
archive-state-proven = Proven
archive-state-failed = Could not be made
archive-state-leaving = Being removed
archive-state-removed = Removed

# What is being done, and how far it is
archive-step-survey = Looking at what there is
archive-step-database = Database
archive-step-media = Media
archive-step-check = Reading it back
archive-step-compare = Comparing
archive-of = { $done } of { $all }
archive-files = { $n ->
    [one] { $n } file
   *[other] { $n } files
}
archive-rate = { $rate } a second
archive-left = { $time } left

# One archive
archive-title = Archive
archive-last-proof = Last proven restore: { $at }. It took { $time } and compared { $rows } rows in { $tables } tables, { $keys } private keys and { $files } media files.
archive-fact-scope = Holds
archive-fact-snapshot = As of
archive-fact-size = Size
archive-fact-parts = Parts
archive-fact-files = Media files
archive-fact-missing = Media files that could not be taken along
archive-fact-signer = Signed by
archive-fact-manifest = SHA-256 of its manifest
archive-fact-proof = Proof
archive-fact-trouble = The last trial restore said
archive-not-there = It can’t be fetched: it is not complete, or its time is over.
archive-fetch = Fetch it
archive-fetch-text = Run this line in an empty folder. It fetches all files, and is good until { $until } for whoever has it: treat it like a password.
archive-command-unix = Linux and macOS
archive-command-windows = Windows
archive-fetch-again = If it breaks off, run the same line again: it goes on where it was.
archive-some-files = Some of its files
archive-after = Afterwards
archive-after-text = RESTORE.md says how a server is made of it. SHA256SUMS checks the files. Only the keys of your server are encrypted; keep the rest where nobody else can read it.
archive-after-passphrase = key.age and your passphrase open secrets.age: age -d -i key.age secrets.age
archive-after-key = Your secret key opens secrets.age: age -d -i KEY secrets.age
archive-gone = On { $time } we delete it.
