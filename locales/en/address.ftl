# What the forms for a new server say about an address, the owner's user name and a mail address, and about DNS records.
# Each message about bad input names the field and says what to do.

address-field = { $field ->
    [web_domain] The web domain
   *[address] The address
}

## The address

address-required = { address-field } is empty. Enter what it should be.
address-scheme = { address-field } begins with “{ $part }://”. Enter only the domain, such as example.org.
address-user-info = { address-field } has a user name in front of an @. Enter only what stands behind the last @.
address-port = { address-field } has a port. Leave out the colon and what follows it; servers are always at the usual port.
address-path = { address-field } has a path. Leave out the slash and what follows it.
address-ip-address = { address-field } is an IP address. Enter a domain: handles and certificates need one.
address-characters = { address-field } can’t have “{ $part }”. Use letters, digits and hyphens, with dots between the parts.
address-empty-label = { address-field } has a dot too many. Put exactly one between its parts and none in front.
address-too-long = { address-field } has { $length } characters. Choose one with at most { $most }.
address-label-too-long = { address-field } has a part of more than 63 characters. Shorten “{ $part }”.
address-hyphens = { address-field } has hyphens where none can be. Remove those at the start, at the end or in third and fourth place of “{ $part }”.
address-single-label = { address-field } is one word, “{ $part }”. Enter a whole domain, such as { $part }.org.
address-special-use = { address-field } ends in .{ $part }, which does not exist on the public internet. Choose a domain that you can register.
address-public-suffix = { address-field } is { $part }, under which many people register. Put your own name in front of it.
address-hosts-domain = { address-field } is at or below { $part }, which is ours. To get a name there, choose “a name with us” and enter it without a dot.
address-looks-like-host = { address-field } looks like our own { $part }. Choose one that nobody can take for it.
address-mixed-scripts = { address-field } mixes alphabets in “{ $part }”. Browsers will show it as “xn--…” and people may take it for a trap. Check the spelling.
address-name-characters = { address-field } can have the letters a to z, digits and hyphens. Remove everything else.
address-name-too-short = { address-field } is too short. Choose one with at least { $least } characters.
address-name-too-long = { address-field } is too long. Choose one with at most { $most } characters.
address-name-hyphens = { address-field } can have single hyphens between letters or digits. Remove those at the start or the end and double ones.
address-name-digits = { address-field } has digits alone. Add a letter.
address-reserved = { address-field } “{ $part }” is kept back. Choose another name.
address-looks-reserved = { address-field } “{ $part }” looks like a name that is kept back. Choose another name.
address-taken = { address-field } { $part } is taken. Choose another one.
address-looks-taken = { address-field } { $part } looks like one that is taken. Choose one that differs more.
address-needs-permission = { address-field } contains the word “mastodon”, a trademark of Mastodon gGmbH. Ask them for permission before you use it, or choose another one.
address-same-as-address = The web domain is the same as the address. Leave it empty, or enter another domain, such as social. in front of the address.

## The owner's user name

owner-required = The owner’s user name is empty. Enter the name in front of the handle’s second @.
owner-characters = The owner’s user name can have the letters a to z, digits and underscores. Remove everything else.
owner-too-long = The owner’s user name is too long. Choose one with at most { $most } characters.
owner-reserved = The owner’s user name can’t be “{ $name }”: Mastodon keeps it back. Choose another one; it will have all rights just the same.

## A mail address

email-required = The e-mail address is empty. Enter one that you can read.
email-no-at = The e-mail address needs one @ with something on both sides, as in name@example.org.
email-local = The e-mail address has something in front of the @ that not every mail server takes. Use letters, digits, and single dots between them, 64 characters at most.
email-domain = The e-mail address does not end in a domain. Check what stands behind the @, as in name@example.org.
email-too-long = The e-mail address is too long. Use one with at most { $most } characters.

## DNS records

dns-purpose-web = Your server’s pages
dns-purpose-media = Pictures and videos
dns-purpose-handles = Handles (only when no website of yours is there)
dns-or-alias = If your provider has ALIAS, ANAME or CNAME flattening, use it with { $host }: it follows when our addresses change.
dns-state-found = Found
dns-state-missing = Not there yet. Changes can take up to an hour to be seen, with some providers a day.
dns-state-different = Something else is there: { $seen }. Replace or remove it.
dns-state-unknown = Could not be checked just now. { $why }
dns-failed-timeout = No DNS server answered in time. We will ask again.
dns-failed-servfail = The domain’s name servers gave no usable answer. If this stays, check its name servers and DNSSEC with your provider.
dns-failed-refused = The DNS server would not answer. We will ask again.
dns-failed-bad-name = This name can’t be looked up. Check its spelling.
dns-failed-other = The lookup failed. We will ask again.

## The redirect of handles, and asking web sites

redirect-right = It redirects as it should.
redirect-answers = The site answers with status { $status } and does not redirect. Add the redirect to your website.
redirect-elsewhere = It redirects to { $location }. Make it lead to the address above.
redirect-without-question = The question is lost on the way. Make the redirect keep everything behind the question mark.
redirect-without-origin = The header is missing. Send “Access-Control-Allow-Origin: *” with the redirect.
redirect-ours = Points to us
redirect-ours-text = We redirect there once your server answers.
site-no-address = The name has no address yet.
site-not-public = The name leads to an address that is not on the public internet. Correct its DNS records.
site-timeout = There was no answer in time. We will ask again.
site-unreachable = There was no secure connection. Check that the site answers over HTTPS with a certificate of its own.
site-status = It answers, but not with what was asked for.
site-too-large = It is larger than it may be.
