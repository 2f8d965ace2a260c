# What the machine must have. Debian packages are installed when root or sudo may; else the line to run is printed.

has_postgres() {
    local bin
    [[ -n "${PADDOCK_PG_BIN:-}" && -x "$PADDOCK_PG_BIN/initdb" ]] && return 0
    for bin in /usr/lib/postgresql/*/bin/initdb; do
        local version=${bin#/usr/lib/postgresql/}
        [[ -x "$bin" && "${version%%/*}" -ge 15 ]] && return 0
    done
    return 1
}

# prerequisites [browser]
prerequisites() {
    local name packages=()
    for name in git cargo go; do
        command -v "$name" >/dev/null || die 3 "$name is missing: $(how_to_get "$name")"
    done
    has_postgres || packages+=(postgresql)
    command -v setpriv >/dev/null || packages+=(util-linux)
    command -v flock >/dev/null || packages+=(util-linux)
    command -v cc >/dev/null || packages+=(build-essential)
    # aws-lc-sys, the cryptography under rustls, is built with cmake where its prepared build does not fit.
    if [[ "${1:-}" == browser ]]; then
        command -v chromium >/dev/null || packages+=(chromium)
        command -v chromedriver >/dev/null || packages+=(chromium-driver)
        has_fonts || packages+=(fonts-dejavu-core)
    fi
    ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
}

has_fonts() {
    compgen -G '/usr/share/fonts/truetype/*/*.ttf' >/dev/null
}

how_to_get() {
    case $1 in
        git) echo "apt-get install git" ;;
        cargo) echo "install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or later from https://rustup.rs" ;;
        go) echo "install Go $(sed -n 's/^go //p' tests/cluster/go.mod) or later from https://go.dev/dl" ;;
    esac
}

install_packages() {
    local line="apt-get install -y --no-install-recommends $*" as_root=()
    if ! command -v apt-get >/dev/null; then
        die 3 "missing: $*. This is not Debian: install them (Debian's names) and run again"
    fi
    if ((EUID != 0)); then
        if sudo -n true 2>/dev/null; then as_root=(sudo -n); else die 3 "missing: $*. Run this, then try again:  sudo $line"; fi
    fi
    # The package would start a server of its own; we only want its programs.
    step "install $*" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive bash -c "apt-get update -qq && $line" >&2
}
