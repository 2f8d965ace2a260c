# Wofür es im Betrieb zwei braucht.
approvals-title = Wofür es zwei braucht
approvals-lead = Worum hier eine Person aus dem Betrieb bittet, das geschieht, wenn eine andere zustimmt, frühestens eine Minute danach und innerhalb von drei Tagen. Wo überhaupt nur eine zustimmen darf, tut es dieselbe.
approvals-none = Nichts wartet.
approvals-recent = Früher
approval-kind-removal = Entfernen eines Servers
approval-kind-giving = Geld oder Guthaben für einen Kunden
approval-waits = Wartet auf eine andere Person
approval-given = Zugestimmt
approval-refused = Abgelehnt
approval-withdrawn = Zurückgenommen
approval-expired = Niemand hat rechtzeitig zugestimmt
approval-void = Nicht mehr das, worum es ging
approval-refuse = Ablehnen
approval-refused-done = Es geschieht nicht. Nichts wurde berührt.
