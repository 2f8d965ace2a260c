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
mail-waiting-nothing-charged = Nothing was charged and no card is needed. When it is your turn we write to you and keep a place for you for a while. The page of your servers shows your position.
mail-waiting-action = Go to { $host }

mail-failed-subject = The payment for { $domain } did not go through
mail-failed-what = The { $amount } for { $domain } could not be taken from your card. Your server runs on as before.
mail-failed-until = If it is not paid by { $until }, the server is paused. Nothing on it is lost by that.
mail-failed-action = Look at the payment
mail-failed-again = The card is tried again by itself. A card that has changed can be put right on the page above.

mail-paused-subject = { $domain } is paused
mail-paused-what = The payment for { $domain } has not come, so your server is paused. Everything on it is kept, and other servers are told to come back later.
mail-paused-until = It begins to end on { $until } if nothing is paid until then.
mail-paused-back = It runs again by itself as soon as the payment has come. If you can't pay just now, answer this mail.

mail-ending-subject = { $domain } has stopped, kept until { $until }
mail-ending-unpaid = { $domain } was not paid for, and has stopped.
mail-ending-over = The subscription of { $domain } is over, and your server has stopped.
mail-ending-kept = Everything on it is kept until { $until }. Nothing is destroyed before an archive of it has been made and proven.
mail-ending-action = Take it up again
mail-ending-more = Until then you can take it up again as it was. We write once more before the date.
mail-ending-last = Until then you can take it up again as it was. This is the last mail before the date.

mail-received-subject = The payment for { $domain } has come
mail-received-what = Thank you. What was owed for { $domain } is paid.
mail-received-action = Look at the server
mail-received-runs = If it was paused, it runs again in a few minutes.
mail-received-held = It is paused for another reason, which its page names. Answer this mail if you have a question about that.

mail-cancelled-subject = Your subscription of { $domain } ends
mail-cancelled-what = The subscription of { $domain } ends on { $at }. Until then your server runs as before, and nothing more is charged.
mail-cancelled-kept = After that everything on it is kept until { $until }.
mail-cancelled-action = Look at the subscription
mail-cancelled-undo = You can take this back on the page above at any time before that.

mail-invited-subject = A place is kept for you until { $until }
mail-invited-what = It is your turn: a place for { $domain } is kept for you until { $until }.
mail-invited-order = Order until then, on the page below. The address itself is yours once you order. Nothing is charged before that.
mail-invited-action = Go to the waiting list
mail-invited-leave = If you don't want it any more, leave the list here: one press, without logging in, and who is next has it.

mail-lapsed-subject = The place for { $domain } went to who is next
mail-lapsed-what = A place for { $domain } was kept for you, and its time is over without an order. Nothing was charged.
mail-lapsed-again = If you still want a server, you can join the waiting list again:
mail-lapsed-action = Go to { $host }

mail-upgrade-subject = { $domain } gets Mastodon { $version }
mail-upgrade-what = Your server { $domain } runs Mastodon { $from }.
mail-upgrade-when = It will be brought to { $version }, not before { $at }.
mail-upgrade-how = A backup is made right before. The server stays reachable, apart from a few seconds. What the new version changes in the database can't be undone.
mail-upgrade-window = You can choose the hours that suit you, and see when your turn is, here:
mail-upgrade-action = Choose the hours

mail-invitation-subject = You are invited to an account at { $host }
mail-invitation-what = { $by } invites you to act for the account “{ $account }”. If you know them, look at the invitation:
mail-invitation-action = Look at the invitation
mail-invitation-until = The link works once, until { $until }.
mail-invitation-not-me = If you do not know them, do nothing. Without your consent nothing happens.

mail-joined-subject = Somebody joined your account at { $host }
mail-joined-what = { $member } has accepted the invitation and now acts for your account “{ $account }”.
mail-joined-action = Look at the members
mail-joined-not-me = If nobody was to join, take them out on that page.

mail-ended-subject = You no longer act for an account at { $host }
mail-ended-what = Since { $at } you are no member of the account “{ $account }” any more. Your other accounts stay as they are.
mail-ended-not-me = If that is a mistake, ask whoever owns the account to invite you again.

mail-owner-subject = An account at { $host } has another owner
mail-owner-what = The account “{ $account }” belongs to { $owner } now.
mail-owner-at = It was handed over on { $at }. Whoever owned it before is an admin.
mail-owner-action = Look at the members
mail-owner-not-me = If that was not agreed, answer this mail at once.

mail-contact-subject = You are the second contact of an account at { $host }
mail-contact-what = The owner of the account “{ $account }” at { $host } has named you its second contact. If the owner can not be reached any more, you can ask to take the account over. All members are told, and the owner then has 14 days to stop it.
mail-contact-action = Look at the account

mail-take-over-subject = Somebody asks to take over an account at { $host }
mail-take-over-what = { $contact }, the second contact of the account “{ $account }”, says that its owner can not be reached, and asks to take the account over.
mail-take-over-due = If the owner does not stop it, { $contact } may do so from { $due } on.
mail-take-over-action = Stop it, or look at it
mail-take-over-not-me = If you own the account, stop it on that page. It takes one button.

mail-take-over-stopped-subject = An account at { $host } stays with its owner
mail-take-over-stopped-what = The owner of the account “{ $account }” at { $host } was reached: nobody takes the account over.

mail-device-subject = New log-in to { $host }
mail-device-what = Somebody has logged in to your account at { $host } from a browser or program that we have not seen with it before.
mail-device-from = It was on { $at }, from the address { $network }.
mail-device-agent = The browser or program calls itself: { $agent }
mail-device-fine = If that was you, there is nothing to do.
mail-device-not-me = If it was not you, end that session and choose another password:
mail-device-action = Look at the sessions

mail-change-old-subject = Confirm your new address for { $host }
mail-change-old-what = Somebody who is logged in to your account at { $host } wants it to have the address { $address } instead of this one. It is changed when both addresses have confirmed it. If that was you, confirm it here too:
mail-change-old-action = Confirm the change
mail-change-old-until = The link works once, until { $until }.
mail-change-old-not-me = If it was not you, do not confirm it, and choose another password at once.

mail-change-new-subject = Confirm this address for { $host }
mail-change-new-what = Somebody wants this to be the address of their account at { $host }. It is when both this address and the one before have confirmed it. If that was you, confirm it:
mail-change-new-action = Confirm this address
mail-change-new-until = The link works once, until { $until }.
mail-change-new-not-me = If it was not you, do nothing.

mail-changed-subject = Your address for { $host } was changed
mail-changed-what = Since { $at } your account has the address { $address }. You log in with it from now on, and all mails go there.
mail-changed-not-me = If it was not you, answer this mail at once.

mail-factor-on-subject = A second factor protects your account at { $host }
mail-factor-on-what = Since { $at } logging in to your account at { $host } takes a code from your authenticator app, besides the password.
mail-factor-on-fine = If that was you, there is nothing to do but to keep the recovery codes in a safe place.
mail-factor-on-not-me = If it was not you, answer this mail at once.
mail-factor-on-action = Look at the settings

mail-factor-off-subject = Your account at { $host } has no second factor any more
mail-factor-off-what = Since { $at } logging in to your account at { $host } takes the password alone.
mail-factor-off-fine = If that was you, there is nothing to do.
mail-factor-off-not-me = If it was not you, choose another password at once, and set the second factor up again:
mail-factor-off-action = Look at the settings

mail-recovery-subject = A recovery code was used at { $host }
mail-recovery-what = Somebody has used a recovery code of your account at { $host } on { $at }, instead of a code from the authenticator app.
mail-recovery-left = Codes that are left: { $left }
mail-recovery-fine = If that was you, there is nothing to do, unless few codes are left: then make new ones.
mail-recovery-not-me = If it was not you, choose another password and make new codes at once:
mail-recovery-action = Look at the settings

mail-staff-factor-subject = Your second factor as staff of { $host }
mail-staff-factor-set-up = Since { $at } your log-in as staff of { $host } takes a code from an authenticator app, besides the password.
mail-staff-factor-forgotten = Your second factor as staff of { $host } was forgotten on { $at }, at the machine itself. With your next log-in you set up another.
mail-staff-factor-code-used = Somebody has used a recovery code of yours as staff of { $host } on { $at }, instead of a code from the authenticator app.
mail-staff-factor-not-me = If that was not you, or not on your behalf, tell the others of the staff at once.

mail-access-subject = Staff of { $host } look into your account
mail-access-what = Somebody of the staff of { $host } looks into the account “{ $account }” as its members see it.
mail-access-until = That ends at { $until } at the latest. They can read and change nothing, unless you let them.
mail-access-why = What it is about: { $ticket }. Why: { $reason }
mail-access-action = See it, or end it
mail-access-not-me = What they look at stands in the log of your account. If you know of no reason, end it and answer this mail.
mail-webhook-off-subject = A webhook at { $host } is switched off
mail-webhook-off-what = Your program at { $url } has taken none of our requests since { $since }, so we have stopped sending them.
mail-webhook-off-next = What happened is kept for 30 days and can be sent again. Put the program right, then switch the webhook on here:
mail-webhook-off-action = Look at the webhook
mail-passkey-made-subject = Your account at { $host } has a new passkey
mail-passkey-made-what = Since { $at } the passkey “{ $name }” logs in to your account, without a password.
mail-passkey-made-fine = If you made it, there is nothing to do.
mail-passkey-made-not-me = If you did not, take it away at once, and choose another password:
mail-passkey-made-action = Look at the settings

# An archive that somebody asked for
mail-archive-ready-subject = The archive of { $domain } is ready
mail-archive-ready-what = The archive of { $domain } is complete. We have restored its database into a throw-away one and compared the two. You can fetch it on its page.
mail-archive-ready-action = Fetch the archive
mail-archive-ready-until = It is there until { $until }; then we delete it.
mail-archive-failed-subject = The archive of { $domain } could not be made
mail-archive-failed-what = The archive of { $domain } that was asked for could not be made. Your server was not touched. Ask for it again; if it fails again, answer this mail.
mail-archive-failed-action = Look at the server
