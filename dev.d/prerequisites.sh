# What the machine must have. Debian packages are installed when root or sudo may; else the line to run is printed.

# Caches lie below it, and some CI runners don't set it.
if [[ -z "${HOME:-}" ]]; then
    HOME=$(getent passwd "$EUID" | cut -d: -f6) || true
    [[ -n "$HOME" ]] || die 3 "HOME is not set, and this user has no home folder: set HOME"
    export HOME
fi

has_postgres() {
    local bin
    [[ -n "${PADDOCK_PG_BIN:-}" && -x "$PADDOCK_PG_BIN/initdb" ]] && return 0
    for bin in /usr/lib/postgresql/*/bin/initdb; do
        local version=${bin#/usr/lib/postgresql/}
        [[ -x "$bin" && "${version%%/*}" -ge 15 ]] && return 0
    done
    return 1
}

# at_least WANTED FOUND: versions such as 1.95 and 1.95.0
at_least() { [[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]; }

# require_version NAME WANTED FOUND
require_version() {
    at_least "$2" "$3" || die 3 "$1 is ${3:-of an unknown version}, and $2 or later is needed: $(how_to_get "$1")"
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

wanted_go() { sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' tests/cluster/go.mod; }

# What rustup's minimal profile leaves out.
rust_components() {
    local part package
    for part in fmt:rustfmt clippy:clippy; do
        package=${part#*:}
        cargo "${part%:*}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null && rustup component add "$package" >&2 && continue
        die 3 "cargo ${part%:*} is missing: rustup component add $package (or install Debian's $package)"
    done
}

# prerequisites [browser]
prerequisites() {
    local name packages=()
    for name in cargo go; do
        command -v "$name" >/dev/null || die 3 "$name is missing: $(how_to_get "$name")"
    done
    require_version cargo "$(wanted_rust)" "$(cargo --version | cut -d' ' -f2)"
    require_version go "$(wanted_go)" "$(go version | sed -n 's/.* go\([0-9.]*\).*/\1/p')"
    command -v git >/dev/null || packages+=(git)
    has_postgres || packages+=(postgresql)
    command -v setpriv >/dev/null || packages+=(util-linux)
    command -v flock >/dev/null || packages+=(util-linux)
    command -v cc >/dev/null || packages+=(build-essential)
    if [[ "${1:-}" == browser ]]; then
        command -v chromium >/dev/null || packages+=(chromium)
        command -v chromedriver >/dev/null || packages+=(chromium-driver)
        has_fonts || packages+=(fonts-dejavu-core)
        # The second reader of archives.
        command -v python3 >/dev/null || packages+=(python3)
        command -v zstd >/dev/null || packages+=(zstd)
        # Fetches axe-core, by the checksum of tests/browser/package-lock.json.
        command -v npm >/dev/null || packages+=(npm)
    fi
    ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
}

has_fonts() {
    compgen -G '/usr/share/fonts/truetype/*/*.ttf' >/dev/null
}

how_to_get() {
    case $1 in
        cargo) echo "rustup update stable, or install Rust $(wanted_rust) or later from https://rustup.rs" ;;
        go) echo "install Go $(wanted_go) or later from https://go.dev/dl" ;;
    esac
}

install_packages() {
    # A fresh machine has no lists of packages yet: without the first half the second one finds nothing.
    local line="apt-get update && apt-get install -y --no-install-recommends $*" as_root=()
    if ! command -v apt-get >/dev/null; then
        die 3 "missing: $*. This is not Debian: install them (Debian's names) and run again"
    fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            die 3 "missing: $*. Run this, then try again:  su - -c '$line'"
        fi
        sudo -n true 2>/dev/null || die 3 "missing: $*. Run this, then try again:  sudo sh -c '$line'"
        as_root=(sudo -n)
    fi
    step "install $*" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive bash -c "$(declare -f no_system_cluster); no_system_cluster $* && $line" >&2
}

# Debian's package postgresql starts a server of its own; we only want its programs. Where it is installed already, nothing is changed.
no_system_cluster() {
    local folder=/etc/postgresql-common/createcluster.d
    [[ " $* " == *" postgresql "* ]] || return 0
    mkdir -p "$folder"
    [[ -e "$folder/paddock.conf" ]] || echo 'create_main_cluster = false' >"$folder/paddock.conf"
}
