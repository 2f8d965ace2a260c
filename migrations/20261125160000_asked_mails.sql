-- Mails that anybody can ask for by typing an address are bounded by the minute and the day: whoever signs people in and up sees when those
-- of an address were owed.
grant select (created_at) on mails to paddock_auth;
