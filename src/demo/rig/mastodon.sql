-- The part of Mastodon's schema that Paddock looks at, written for the rig: names and types as Mastodon has them, only the
-- columns that something of ours reads or that make a row real. Harmless when it runs again.
create table if not exists schema_migrations (version varchar primary key);
create table if not exists ar_internal_metadata (
    key varchar primary key, value varchar,
    created_at timestamp not null default now(), updated_at timestamp not null default now());
insert into ar_internal_metadata (key, value) values ('environment', 'production') on conflict do nothing;

create table if not exists accounts (
    id bigserial primary key,
    username varchar not null default '',
    domain varchar,
    private_key text,
    public_key text not null default '',
    uri varchar not null default '',
    url varchar,
    display_name varchar not null default '',
    note text not null default '',
    locked boolean not null default false,
    actor_type varchar,
    id_scheme integer default 1,
    suspended_at timestamp,
    avatar_file_name varchar,
    header_file_name varchar,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());
create unique index if not exists index_accounts_on_username_and_domain_lower
    on accounts (lower(username), coalesce(lower(domain), ''));

create table if not exists user_roles (
    id bigserial primary key,
    name varchar not null default '',
    color varchar not null default '',
    position integer not null default 0,
    permissions bigint not null default 0,
    highlighted boolean not null default false,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());

create table if not exists users (
    id bigserial primary key,
    email varchar not null default '' unique,
    account_id bigint not null references accounts on delete cascade,
    role_id bigint references user_roles on delete set null,
    encrypted_password varchar not null default '',
    otp_secret varchar,
    otp_required_for_login boolean not null default false,
    locale varchar,
    approved boolean not null default true,
    disabled boolean not null default false,
    confirmed_at timestamp,
    current_sign_in_at timestamp,
    reset_password_sent_at timestamp,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());

create table if not exists statuses (
    id bigserial primary key,
    account_id bigint not null references accounts on delete cascade,
    text text not null default '',
    spoiler_text text not null default '',
    uri varchar unique,
    url varchar,
    local boolean,
    visibility integer not null default 0,
    in_reply_to_id bigint,
    reblog_of_id bigint,
    language varchar,
    deleted_at timestamp,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());

create table if not exists media_attachments (
    id bigserial primary key,
    status_id bigint references statuses on delete set null,
    account_id bigint references accounts on delete set null,
    file_file_name varchar,
    file_content_type varchar,
    file_file_size bigint,
    remote_url varchar not null default '',
    type integer not null default 0,
    description text,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());

create table if not exists invites (
    id bigserial primary key,
    user_id bigint not null references users on delete cascade,
    code varchar not null default '' unique,
    expires_at timestamp,
    max_uses integer,
    uses integer not null default 0,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now());

create table if not exists settings (
    id bigserial primary key, var varchar not null unique, value text,
    created_at timestamp, updated_at timestamp);
create table if not exists site_uploads (
    id bigserial primary key, var varchar not null default '' unique, file_file_name varchar, file_file_size bigint,
    created_at timestamp not null default now(), updated_at timestamp not null default now());
create table if not exists custom_emojis (
    id bigserial primary key, shortcode varchar not null default '', domain varchar, image_file_name varchar,
    image_file_size bigint, disabled boolean not null default false,
    created_at timestamp not null default now(), updated_at timestamp not null default now());
create table if not exists follows (
    id bigserial primary key,
    account_id bigint not null references accounts on delete cascade,
    target_account_id bigint not null references accounts on delete cascade,
    uri varchar,
    created_at timestamp not null default now(), updated_at timestamp not null default now(),
    unique (account_id, target_account_id));
create table if not exists scheduled_statuses (
    id bigserial primary key, account_id bigint references accounts on delete cascade, scheduled_at timestamp, params jsonb);
create table if not exists unavailable_domains (
    id bigserial primary key, domain varchar not null default '' unique,
    created_at timestamp not null default now(), updated_at timestamp not null default now());
