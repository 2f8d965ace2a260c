-- Which servers' databases are not backed up as they should be: a list of staff, and its figure.
create index instances_not_backed_up on instances (id) include (ready_at)
  where released_at is null and intent = 'running'
    and observed @> '{"conditions": [{"type": "BackedUp", "status": "False"}]}';
