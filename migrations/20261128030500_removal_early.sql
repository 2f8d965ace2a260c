-- The data of a server that has ended is kept for a while before staff may have it removed; who can't wait says why a second time.

alter table instances
  add column removal_early_reason text,   -- why it is not kept for as long as the host keeps data
  add constraint instances_removal_early check (removal_early_reason is null or removal_requested_at is not null);

grant update (removal_early_reason) on instances to paddock_staff;
