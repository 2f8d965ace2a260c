#!/bin/sh
# Restores {{domain}} from this archive into an empty folder, with Docker. Starts nothing that others could see.
#   MASTODON_VERSION={{release}}.0 sh restore.sh FOLDER
# AGE_KEY=FILE opens secrets.age with a key in place of a passphrase.
set -eu
archive=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: MASTODON_VERSION=x.y.z sh restore.sh FOLDER}
: "${MASTODON_VERSION:?set it to the newest patch of Mastodon {{release}}}"
for program in docker zstd tar sha256sum; do
    command -v "$program" >/dev/null || { echo "restore.sh: $program is missing" >&2; exit 3; }
done
mkdir -p "$folder"
[ -z "$(ls -A "$folder")" ] || { echo "restore.sh: $folder is not empty" >&2; exit 5; }

echo "1. checksums"
(cd "$archive" && sha256sum --quiet -c SHA256SUMS)

echo "2. secrets"
umask 077
if [ -f "$archive/secrets.age" ]; then
    command -v age >/dev/null || { echo "restore.sh: age is missing" >&2; exit 3; }
    age -d ${AGE_KEY:+-i "$AGE_KEY"} "$archive/secrets.age" >"$folder/.env.production"
else
    echo "restore.sh: the archive has no secrets; put your own .env.production into $folder" >&2
    : >"$folder/.env.production"
fi
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
printf 'MASTODON_VERSION=%s\nPOSTGRES_PASSWORD=%s\nDB_PASS=%s\n' "$MASTODON_VERSION" "$(secret)" "$(secret)" >"$folder/.env"
cp "$archive/compose.yaml" "$folder/compose.yaml"
umask 022

echo "3. media"
mkdir -p "$folder/media"
for part in "$archive"/media-*.tar.zst; do
    [ -f "$part" ] || continue
    zstd -dcq "$part" | tar -xf - -C "$folder/media"
    (cd "$folder/media" && sha256sum --quiet -c "${part%.tar.zst}.sha256")
done
# The user that Mastodon's image runs as.
chown -R 991:991 "$folder/media" 2>/dev/null || echo "restore.sh: give $folder/media to the user 991 yourself" >&2

echo "4. database"
cd "$folder"
docker compose up -d --wait db redis
password=$(sed -n 's/^DB_PASS=//p' .env)
docker compose exec -T db createuser -U postgres --no-superuser mastodon
echo "alter role mastodon password '$password'" | docker compose exec -T db psql -qU postgres
docker compose exec -T db createdb -U postgres -O mastodon -T template0 mastodon_production
# Never psql: a dump is a program, and psql would run it on this machine.
zstd -dcq "$archive/database.dump.zst" | docker compose exec -T -e "PGPASSWORD=$password" db pg_restore -h 127.0.0.1 -U mastodon \
    -d mastodon_production -n public --no-owner --no-privileges --exit-on-error --single-transaction

echo "5. timelines"
docker compose run --rm web bin/tootctl feeds build

cat <<TEXT
Restored into $folder. What is left: mail settings in .env.production, a web server with TLS before ports 3000 and 4000, DNS.
Stop the old server before you start this one: cd $folder && docker compose up -d
TEXT
