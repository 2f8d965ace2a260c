# Signing in with a second factor; password, address and sessions of a person.
code-title = Your second factor
code = Code
code-hint = Six digits of your authenticator app, or one of your recovery codes
code-wrong = The code is not right, or was used already. Wait for the app’s next one, and enter that.
code-back = Start again
security-title = Password and sessions
security-password = Another password
security-current = Present password
security-current-missing = Enter the password that you have now.
security-address = Another e-mail address
security-address-text = You log in with { $email }. To change it we send a link to this address and to the new one, and both have to be followed.
security-address-new = New e-mail address
security-address-button = Send both links
security-address-same = That is the address that you have. Enter another one.
security-address-often = We have just sent a mail to this address. Wait a minute; after five in a day, until tomorrow.
factor-title = Second factor
factor-none = Logging in takes your password alone. With an authenticator app it takes a code of the app as well, so that a stolen password is not enough.
factor-on = Since { $since } logging in takes a code of your authenticator app.
factor-codes-left = { $n ->
    [one] One recovery code is left.
   *[other] { $n } recovery codes are left.
  }
factor-begin = Set up an authenticator app
factor-renew = Make new recovery codes
factor-off = Turn the second factor off
factor-off-what = Logging in then takes your password alone.
factor-set-up = Set up an authenticator app
factor-scan = Read this picture with the app.
factor-picture = Picture of the secret for an authenticator app; the same secret as text follows
factor-type = Or type this secret into it:
factor-first = The six digits that the app shows
factor-confirm = Turn it on
factor-refused-second-factor-on = There is a second factor already. Turn it off before you set up another one.
factor-refused-second-factor-off = There is no second factor. Set one up first.
codes-title = Your recovery codes
codes-lead = Write these down now. They are not shown again.
codes-text = Each works once, in the place of a code of the app, should you lose it. Keep them where you do not keep the app. Codes that you had before work no more.
codes-done = I have them
sessions-title = Where you are logged in
sessions-browser = Browser
sessions-api = Program
sessions-current = this one
sessions-when = Begun { $began }, last used { $seen }
sessions-end = Log out there
sessions-end-others = Log out everywhere else
move-address-title = Another e-mail address
move-address-lead = The account is to have the address { $email }. Both addresses have to agree.
move-address-button = I agree
move-address-waits = You have agreed. Now the other address has to: look into its mail.
move-address-changed = The address is changed. Log in with it from now on.

# One-time messages, chosen in code
flash-password-changed = Your password is changed, and you are logged out everywhere else.
flash-address-asked = Two mails are on their way, one to each address.
flash-second-factor-off = The second factor is off.
flash-session-ended = That session has ended.
flash-sessions-ended = You are logged out everywhere else.

# The language of pages and mails; each is named in itself
language-title = Language
language-label = Language of these pages and of our mails
language-button = Use this language
language-set = Pages and mails come in this language from now on.
language-unknown = Choose one of the languages of the list.
language-en = English
language-de = Deutsch
