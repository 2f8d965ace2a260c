# Help for customers; the texts themselves are in docs/help.
nav-help = Help
help-title = Help
help-lead = What our pages have no room for.
help-more = Something is missing here, or not clear? Write to us:
help-about-domain = How to set the records
help-about-paying = What follows when
help-about-security = About second factors, members and programs
