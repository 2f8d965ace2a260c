# Mails. A subject says what happened, the first sentence what it means, the last what to do if it is wrong.

mail-footer = Sent by { $host } to this address because of what is said above.
mail-copy-link = If the button does nothing, open this address:

mail-verify-subject = Confirm your address for { $host }
mail-verify-what = Somebody signed up at { $host } with this e-mail address. If that was you, confirm it:
mail-verify-action = Confirm this address
mail-verify-until = The link works once, until { $until }.
mail-verify-not-me = If it was not you, do nothing. Without the confirmation the account can't be used.

mail-already-subject = You already have an account at { $host }
mail-already-what = Somebody, most likely you, tried to sign up at { $host } with this e-mail address. It has an account already, so nothing was changed.
mail-already-action = Sign in
mail-already-forgotten = If you don't know the password any more, set a new one here:
mail-already-not-me = If it was not you, there is nothing to do: whoever it was has not learned that the account exists.

mail-reset-subject = Set a new password for { $host }
mail-reset-what = Somebody asked for a new password for your account at { $host }. If that was you, choose it here:
mail-reset-action = Choose a new password
mail-reset-until = The link works once, until { $until }.
mail-reset-not-me = If it was not you, do nothing. Your password stays as it is.

mail-reset-unknown-subject = No account at { $host } with this address
mail-reset-unknown-what = Somebody asked for a new password at { $host } with this e-mail address, but there is no account with it.
mail-reset-unknown-other = If that was you, you may have signed up with another address. Try that one, or sign up with this one:
mail-reset-unknown-action = Go to { $host }
mail-reset-unknown-not-me = If it was not you, there is nothing to do.

mail-password-subject = Your password for { $host } was changed
mail-password-what = The password of your account at { $host } was changed on { $at }.
mail-password-fine = If that was you, there is nothing to do.
mail-password-not-me = If it was not you, set a new password at once, then answer this mail:
mail-password-action = Set a new password

mail-expired-subject = Your order for { $domain } has ended
mail-expired-what = The order for { $domain } has ended without a payment. Nothing was charged, and the address and the place are free again.
mail-expired-next = If you still want the server, look at the order and start it again:
mail-expired-action = Look at the order

mail-ready-subject = { $handle }: your server is running
mail-ready-what = Your Mastodon server is running at { $server }
mail-ready-owner = Your account there is { $handle }, and you are its owner.
mail-ready-password = It has no password that anybody knows. Set yours on the server itself: open the page below and enter { $email }. Your server then sends you a link.
mail-ready-action = Set the owner's password
mail-ready-manage = What we know about the server, its plan and its next invoice is here:

mail-waiting-subject = You are number { $position } on the waiting list
mail-waiting-what = All places are taken just now. You are number { $position } in the queue for { $domain }.
mail-waiting-nothing-charged = Nothing was charged and no card is needed. The page of your servers shows your position; look there now and then. A place that is free goes to whoever orders first.
mail-waiting-action = Go to { $host }

mail-upgrade-subject = { $domain } gets Mastodon { $version }
mail-upgrade-what = Your server { $domain } runs Mastodon { $from }.
mail-upgrade-when = It will be brought to { $version }, not before { $at }.
mail-upgrade-how = A backup is made right before. The server stays reachable, apart from a few seconds. What the new version changes in the database can't be undone.
mail-upgrade-window = You can choose the hours that suit you, and see when your turn is, here:
mail-upgrade-action = Choose the hours
