-- What is more than one person may give a customer: one of the staff asks for it, and it is given when another one agrees (`approvals`).

alter table approvals
  drop constraint approvals_kind_check,
  add constraint approvals_kind_check check (kind in ('removal', 'giving'));

-- Who may agree, the two-person rule says: where only one of the staff may at all, the same does.
alter table givings drop constraint givings_check2;

create table giving_proposals (
  instance_id  uuid primary key references instances,  -- for which server; also the subject of the approval, which has reason and asker
  amount_minor bigint not null check (amount_minor > 0),
  currency     text not null,
  invoice_id   text                                     -- Stripe's, of a refund; null for credit
);
comment on table giving_proposals is 'What staff have asked one another to agree to giving a customer, until it is decided.';

grant select, insert, update, delete on giving_proposals to paddock_staff;
