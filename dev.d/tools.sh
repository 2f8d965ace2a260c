# What is built once, pinned, and kept outside target/ so that `cargo clean` does not cost ten minutes:
#   $cache/tools/<name>-<hash of its sources or of name@version>/   the thing
#   $cache/current/<name>                                           a link to the newest, for a plain `cargo test`
# Two runs at a time are fine: one builds under a lock into a folder of its own, which then gets its name in one move.

versitygw=github.com/versity/versitygw/cmd/versitygw@v1.8.0
stripe_mock=github.com/stripe/stripe-mock@v0.203.0
cargo_deny_version=0.20.2
garage_version=2.5.0
cache=${PADDOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/paddock}

hash_of() { sha256sum | cut -c1-16; }

# provide NAME HASH BUILDER: BUILDER is called with an empty folder and puts NAME into it
provide() {
    local name=$1 home="$cache/tools/$1-$2" builder=$3
    if [[ ! -e "$home/$name" ]]; then
        mkdir -p "$cache/tools"
        exec {lock}>"$cache/tools/$name.lock"
        flock "$lock"
        if [[ ! -e "$home/$name" ]]; then
            local scratch
            # What a run that was killed left behind: the lock is ours, so nobody builds there.
            rm -rf "$cache/tools/.building-$name-"*
            scratch=$(mktemp -d "$cache/tools/.building-$name-XXXXXX")
            step "build $name (once)" "$builder" "$scratch"
            [[ -e "$scratch/$name" ]] || die 1 "building $name left nothing behind"
            chmod 755 "$scratch"
            rm -rf "$home"
            mv -T "$scratch" "$home"
        fi
        exec {lock}>&-
    fi
    mkdir -p "$cache/current"
    if [[ "$(readlink "$cache/current/$name" || true)" != "$home/$name" ]]; then
        local link="$cache/current/.$name.$$"
        ln -sfn "$home/$name" "$link"
        mv -Tf "$link" "$cache/current/$name"
    fi
    printf -v "home_of_${name//-/_}" '%s' "$home/$name"
}

build_cluster() { (cd tests/cluster && go build -trimpath -ldflags="-s -w" -o "$1/cluster" .); }

build_versitygw() { GOBIN=$1 go install -trimpath -ldflags="-s -w" "$versitygw"; }

# Stripe's own: knows every request of its API, and keeps no state. The tests send it all that our adapter sends.
build_stripe_mock() { GOBIN=$1 go install -trimpath -ldflags="-s -w" "$stripe_mock"; }

# Looks for what people with a keyboard, a screen reader or weak eyes can't use; the tests put it into each page.
build_axe() {
    cat tests/browser/package.json >"$1/package.json"
    cat tests/browser/package-lock.json >"$1/package-lock.json"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent)
    mv "$1/node_modules/axe-core/axe.min.js" "$1/axe"
    rm -rf "$1/node_modules" "$1/package.json" "$1/package-lock.json"
}

build_cargo_deny() {
    cargo install --quiet --locked --root "$1" --target-dir "$1/target" "cargo-deny@$cargo_deny_version"
    mv "$1/bin/cargo-deny" "$1/cargo-deny"
    rm -rf "$1/target" "$1/bin"
}

# With what one node on one machine needs: SQLite, and its C libraries out of its own sources.
build_garage() {
    cargo install --quiet --locked --root "$1" --target-dir "$1/target" --no-default-features --features sqlite,bundled-libs "garage@$garage_version"
    mv "$1/bin/garage" "$1/garage"
    rm -rf "$1/target" "$1/bin"
}

# Copies the CRDs named in tests/cluster/crds.txt out of Go modules whose checksums are the pinned ones.
build_crds() {
    local module version sum folder files file found
    mkdir "$1/crds"
    while read -r module version sum folder files; do
        [[ -z "$module" || "$module" == \#* ]] && continue
        found=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module@$version")
        [[ "$(json_field Sum <<<"$found")" == "$sum" ]] || die 1 "$module@$version does not have the checksum in tests/cluster/crds.txt"
        for file in $files; do
            install -m 644 "$(json_field Dir <<<"$found")/$folder/$file.yaml" "$1/crds/"
        done
    done <tests/cluster/crds.txt
}

# One string field of the flat JSON that `go mod download -json` prints.
json_field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\?\$/\1/p"; }

# Builds what is missing; exports where everything is.
tools() {
    local sources
    sources=$({ cat tests/cluster/*.go tests/cluster/go.mod tests/cluster/go.sum; go version; } | hash_of)
    provide cluster "$sources" build_cluster
    provide versitygw "$({ echo "$versitygw"; go version; } | hash_of)" build_versitygw
    provide stripe-mock "$({ echo "$stripe_mock"; go version; } | hash_of)" build_stripe_mock
    provide crds "$(hash_of <tests/cluster/crds.txt)" build_crds
    export PADDOCK_TOOLS=$cache/current
    # shellcheck disable=SC2154 # set by `provide`
    export PADDOCK_CLUSTER_BIN=$home_of_cluster PADDOCK_VERSITYGW_BIN=$home_of_versitygw PADDOCK_CRDS_DIR=$home_of_crds
    # shellcheck disable=SC2154 # set by `provide`
    export PADDOCK_STRIPE_MOCK_BIN=$home_of_stripe_mock
}

cargo_deny() { provide cargo-deny "$(echo "cargo-deny@$cargo_deny_version" | hash_of)" build_cargo_deny; }

axe() {
    provide axe "$(hash_of <tests/browser/package-lock.json)" build_axe
    # shellcheck disable=SC2154 # set by `provide`
    export PADDOCK_AXE=$home_of_axe
}

garage() {
    provide garage "$(echo "garage@$garage_version sqlite,bundled-libs" | hash_of)" build_garage
    # shellcheck disable=SC2154 # set by `provide`
    export PADDOCK_GARAGE_BIN=$home_of_garage
}
