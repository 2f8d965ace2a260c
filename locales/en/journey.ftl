# From the address to the running server.
minutes = { $n ->
    [one] one minute
   *[other] { $n } minutes
}
new-progress = New server · Step { $step } of { $steps }

address-title = Choose your address
address-lead = It is the second half of every handle on your server, and how other servers know it.
address-for-ever = This address can never change. Mastodon ties every post and follower to it.
address-legend = Kind of address
address-hosted = A name under { $domain }
address-hosted-hint = Nothing else to set up
address-own = A domain that I own
address-own-hint = You set a few DNS records; we show which
address-name = Name
address-name-hint = Letters, digits and hyphens
address-domain = Your domain
address-domain-hint = For example, harbour.org or social.harbour.org
address-web = Is there a website at this domain already?
address-web-text = Then handles can end in the domain while Mastodon itself lives at another name beneath it. Your website passes one small address on to us; we show how. This can never change either.
address-web-domain = Name for Mastodon itself
address-web-hint = For example, social.harbour.org. Leave it empty if you are not sure

check-free = Free
check-own = Not taken
check-taken = Taken
check-yours = Yours already
check-yours-text = You have a server or an open order with this address.
check-yours-open = Go there
check-taken-text = Somebody has this address, or is paying for it at this moment. Choose another.
check-reserved = Reserved
check-look-alike = Too alike
check-invalid = Cannot be used
check-ascii = Written by machines as
check-handle = Handles will be @name@{ $address }

dns-title = DNS records
dns-heading = Point { $domain } to us
dns-lead = Set these records where you manage the domain. Copy them exactly.
dns-no-hurry = There is no hurry: set them after you have paid. Nothing answers under the name before your server does.
dns-kind = Type
dns-name = Name
dns-value = Value
dns-state = State
dns-checked = Checked at { $time } by our resolver.
dns-again = Check again
dns-later = You can go on now and set them later. Your server starts answering when they are right; changes can take up to an hour to be seen.
# Words of a record's state, chosen in code
dns-right = Right
dns-missing = Not seen yet
dns-wrong = Different
dns-unknown = Not checked

owner-title = Who owns the server?
owner-lead = One person gets the role Owner on { $address }, with every right. You can add more people later, in Mastodon.
owner-name = User name
owner-name-hint = Up to 30 letters a–z, digits and underscores. The handle will be @name@{ $address }
owner-email = Their e-mail address
owner-email-hint = They set their password through this address. We never learn it

plan-title = Choose a plan
plan-change = To change the plan later, write to us: doing it here is planned and not ready yet.

review-title = Check your order
review-next = What happens next
review-next-place = We set your address and a place aside for { $time }.
review-next-pay = You pay { $price } { $per } on the page of our payment company. We never see the card.
review-next-build = Your server is built while you watch. That usually takes a few minutes.
review-next-records = It answers once your DNS records point to us. Your server’s page shows them and whether we see them.
review-full = Every place is taken at the moment. You can join the waiting list with this order: nothing is charged, and the address is noted but not held. When it is your turn we write to you and keep a place for you for a while.
review-pay = Pay { $price }
review-wait = Join the waiting list
# Labels of the facts, chosen in code
fact-address = Address
fact-web = Mastodon itself at
fact-owner-email = Owner’s e-mail
fact-plan = Plan
fact-price = Price
fact-price-value = { $price } { $per }
fact-invoice = Next invoice
fact-version = Mastodon
fact-ordered = Ordered
fact-handle = Owner’s handle

order-title = Order for
order-confirming = Waiting for the payment to be confirmed
order-confirming-text = You are back from the payment page. We build { $address } as soon as the payment company says that the money is on its way.
order-waited = This usually takes a few seconds. So far:
order-confirming-leave = You can close this page. We write to { $email } when the server is ready, or when the order has ended without a payment.
order-unpaid = Not paid yet
order-left = You came back from the payment page without having paid.
order-declined = Your card was declined
order-declined-text = The payment company told us so at { $time }.
order-declined-next = Try again with the same card or another one.
order-not-charged = Nothing was charged.
order-kept = { $address } and its place are kept for you until { $time }.
order-pay-again = Pay { $price }
order-give-up = Give up this order
order-expired = The order has ended
order-again = Order again
order-other = Choose another address
order-waiting = Number { $position } on the waiting list
order-leave-list = Leave the list
order-paid = Paid
order-paid-text = Thank you. { $address } is being built now.
order-watch = Watch it being built

instances-title = Your servers
instances-none = You have no server yet.
instances-none-text = Start with its address. You see the price before anything is charged.
instances-first = Choose an address

facts-title = About this server
building-title = Your server is being built
building-stuck = Your server is taking longer than usual
building-say = Step { $step }: { $title }
building-progress = Progress
building-step = Step { $step } of { $count }
building-elapsed = Elapsed
building-typical = usually { $time }
building-leave = You can close this page. We write to { $email } when it is ready.
ready-say = Your server is ready
ready-took = Ready, { $time } after you paid.
ready-next = What to do now
ready-reset = Open the password page
ready-reset-text = Open the password page of your server. It is Mastodon’s own, not ours.
ready-email = Enter { $email } there. Your server sends a link; choose a password with it.
ready-log-in = Log in. You are { $handle }, with the role Owner.
ready-password = The password is between you and your server. We never learn it and can’t see it.

step-done = Done
step-doing = In progress
step-failed = Stopped
step-waiting = Waiting
step-of = of { $typical }
# Names of the steps, chosen in code, in this order
step-payment = Payment confirmed
step-payment-note = The payment company has told us.
step-namespace = A space of its own
step-namespace-note = Your server gets a closed space, with walls and limits, that no other server can look into.
step-identity = Identity keys
step-identity-note = The keys that make your server itself are made, once and for good.
step-database = Database
step-database-note = A database of your own starts. No other server is in it.
step-cache = Cache
step-cache-note = The short-term memory for queues and timelines starts.
step-bucket = Room for files
step-bucket-note = Room for pictures and videos is made, with a key of its own.
step-migrations = Tables
step-migrations-note = Mastodon lays out its tables. This is the longest step.
step-processes = Mastodon itself
step-processes-note = Its parts start: web, streaming and background work.
step-address = Address and certificate
step-address-note = The address is connected to your server, under our certificate.
step-address-own-note = The address is connected to your server, and certificates for your domain are signed.
step-owner = Owner’s account
step-owner-note = The owner’s account is made. Its password is set later, by the owner alone.

# State words of a server and an order, chosen in code
phase-reserved = Reserved
phase-preparing = Being built
phase-awaiting-records = Waits for DNS records
phase-running = Running
phase-degraded = Not well
phase-upgrading = Upgrading
phase-suspended = Paused
phase-leaving = Leaving
phase-gone = Gone
order-state-unpaid = Not paid
order-state-expired = Ended
order-state-waiting = On the waiting list
order-state-invited = A place is kept for you
order-state-paid = Paid
