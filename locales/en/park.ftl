# What visitors of a paused server read, under that server's own name.
park-unpaid-title = This server is paused
park-unpaid-text = Its subscription is not paid at the moment. It comes back as soon as it is.
park-asked-title = This server is paused
park-asked-text = Its owner has paused it, and can let it run again at any time.
park-staff-title = This server is paused
park-staff-text = The people who run this host have stopped it until a question about it is settled with its owner.
park-moving-title = This server is moving
park-moving-text = It is on its way to another place and comes back soon, under the same name.
park-upkeep-title = This server is being worked on
park-upkeep-text = The people who run this host are bringing it up to date. It comes back soon, with everything on it.
park-ended-title = This server has closed
park-ended-text = Its owner no longer runs it here.
park-ended-kept = What was on it is kept for its owner for some time.
park-other-title = This server is paused
park-other-text = It is not running at the moment.
park-kept = Accounts, posts and pictures are kept. What people on other servers send to it is delivered for a few days after it was sent, if it is back by then.
park-owner = Is it yours? The page of your server at your host says why, and what to do.
