# What takes two of the staff.
approvals-title = What takes two
approvals-lead = What one of the staff asks for here is done when another one agrees, at least a minute later and within three days. Where only one may agree at all, the same does.
approvals-none = Nothing waits.
approvals-recent = Before
approval-kind-removal = Removal of a server
approval-kind-giving = Money or credit for a customer
approval-waits = Waits for another one
approval-given = Agreed
approval-refused = Refused
approval-withdrawn = Taken back
approval-expired = Nobody agreed in time
approval-void = Not any more what it was about
approval-refuse = Refuse it
approval-refused-done = It is not done. Nothing was touched.
