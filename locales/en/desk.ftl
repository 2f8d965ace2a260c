# Lists of any kind: what is looked for, the order, the pages.
close = Close
list-show = Show
list-apply = Show
list-narrow = Narrow this list
list-all = Show all
list-pages = Pages of this list
list-newer = Previous page
list-older = Next page
list-none-such = Nothing here fits that.
list-none-such-text = Look for how it begins, in fewer letters, or leave a choice out.
list-version = Release
list-any-version = Any release
list-to-version = going to { $version }
list-cost = { $price } { $per }
list-find-server = Address begins with
list-find-customer = Name or e-mail begins with

# Search, keys, places
nav-staff-customers = Customers
nav-staff-queue = Queue
nav-staff-incidents = Incidents
nav-keys = Keys
nav-styleguide = Style guide
search-label = Address, name, e-mail or id
search-button = Search
search-title = Search
search-empty = What are you looking for?
search-empty-text = The field above takes how an address, a name or an e-mail address begins, and whole ids: ours, and those of customers, subscriptions and checkouts at Stripe.
search-none = Nothing begins with “{ $q }”.
search-none-text = Check the spelling, or look for fewer letters. An id has to be whole.
search-for = Found for “{ $q }”
search-more = There may be more. Write more letters.
search-server = Server
search-customer = Customer
search-customer-of = Customer, through { $email }
search-incident = Incident
keys-title = Keys
keys-lead = On every staff page, while you are not typing in a field. They need a script; everything works without them.
keys-search = Search
keys-help = Show or hide this list
keys-on = Keys work in this browser

# Overview; the labels of figures are chosen in code
staff-also = Also
figure-trend = { $figure } over the last week
figure-before = { $value } a day ago
staff-figure-oldest-job = Oldest job waits for
staff-figure-past-due = Past due
staff-figure-unproven = Backups not proven
staff-figure-behind = Not on the newest release
staff-figure-certificates = Without a certificate
staff-figure-incidents = Open incidents
staff-figure-money = Paid today for new servers

# Servers; the choices are made in code
staff-instances-none-text = The first one appears when somebody orders it.
show-server-all = All
show-server-look = To look at
show-server-building = Being built
show-server-running = Should run
show-server-unproven = Backup not proven
show-server-not-backed-up = Database not backed up
show-server-certificate = Without a certificate
show-server-behind = Not on the newest release
show-server-reserved = Not paid
show-server-paused = Paused
show-server-leaving = Leaving
show-server-gone = Gone

# Orders; the choices are made in code
staff-orders-none-text = The first one appears when somebody chooses an address and a plan.
show-order-all = All
show-order-waiting = Waiting for their payment
show-order-paid = Paid
show-order-expired = Not paid in time

# One server from inside
inside-title = From inside
inside-jobs = Jobs that name it
inside-jobs-none = None is owed at the moment.
inside-changes = What became of its conditions
inside-changes-show = The newest changes, as the fleet saw them
inside-status = Status, as the operator wrote it
inside-status-none = The operator has not reported yet.

# Customers; the choices are made in code
staff-customers-title = Customers
staff-customers-none = No customers yet.
staff-customers-none-text = Whoever signs up is one.
show-customer-all = All
show-customer-servers = With a server
show-customer-past-due = Past due
show-customer-waiting = On the waiting list
customer-since = Customer since
customer-money = Money
customer-past-due = Past due
customer-nothing-owed = Nothing owed
customer-never-paid = Never paid
customer-stripe = Customer at Stripe
customer-people = People
customer-person = { $role } since { $since }
customer-proven = Address proven
customer-not-proven = Address not proven
customer-no-servers = None. What was never paid is under orders.
customer-no-people = Nobody signs in for this account.
customer-no-orders = None.
customer-no-audit = Nothing has been written down for this account.

# Queue; the choices are made in code
queue-title = Queue
queue-lead = Work that is owed: mails, payments, checks of domains. A job that fails is tried again, each time later; one that has used up its tries waits for a person.
queue-due = Due and waiting
queue-oldest = The oldest has waited for
queue-dead = Given up
queue-kinds = By kind
queue-count = Not done
queue-do = Again
queue-jobs = Jobs
queue-none = Nothing is in the queue.
queue-none-text = All that was owed is done.
queue-retry-all = Try all given up again
queue-retried = Jobs with all their tries again, due now: { $n }
queue-none-to-retry = No job of that kind is given up any more.
show-job-all = All
show-job-dead = Given up
show-job-failing = Failed, to be tried again
show-job-running = Being worked on

# The style guide; states are chosen in code
guide-lead = Each part that pages are made of. Nothing on this page is anybody’s, and its buttons do nothing.
guide-colours = Colours
guide-type = Type
guide-buttons = Buttons
guide-forms = Forms
guide-states = States and messages
guide-lists = Lists
guide-facts = Facts
guide-steps = Steps
guide-numbers = Numbers
guide-waiting = What is on its way
guide-loading = Loading
guide-dialog = Dialog
guide-dialog-text = One thing on top of the page, left by Escape or its button. Open the one of this page with
guide-danger = What can’t be undone
guide-danger-what = What happens: it stops, and its data is destroyed.
guide-danger-when = When: at once, after the name is typed.
guide-danger-undo = Until when it can be taken back: until this button.
guide-sentence = A sentence as long as most of those that are read here.
guide-field = A label
guide-hint = What helps to fill it in, above the field.
guide-wrong = This is not right. Write it in another way.
guide-value = A value
guide-detail = since 14:30 UTC
guide-chart = Seven values, as an example
guide-state-waiting = Waiting
guide-state-doing = Under way
guide-state-done = Done
guide-state-failed = Failed

# How far a removal is
removal-way = How far the removal is
removal-way-ask = Asked for
removal-way-confirm = Confirmed
removal-way-done = Nothing left

# The audit log; the choices are made in code
audit-title = Audit log
audit-find = Whole id of what changed or of who changed it, or what was done
audit-none = Nothing has been written down yet.
audit-none-text = Whatever anybody changes stands here, with who it was.
show-audit-all = Everybody
show-audit-person = Customers
show-audit-staff = Staff
show-audit-system = The program
