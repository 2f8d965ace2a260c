-- What `rails db:seed` leaves: the four roles (everyone is -99) and the actor that signs for the server itself (account -99).
insert into user_roles (id, name, position, permissions, highlighted) values
    (-99, '', -1, 65536, false),
    (1, 'Moderator', 10, 1308, true),
    (2, 'Admin', 100, 983036, true),
    (3, 'Owner', 1000, 1, true)
on conflict do nothing;
select setval('user_roles_id_seq', greatest(3, (select max(id) from user_roles)));
insert into accounts (id, username, actor_type, locked) values (-99, 'mastodon.internal', 'Application', true)
on conflict do nothing;
