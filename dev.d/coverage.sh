# How much of the pure modules of money the unit tests run, by region: what one condition leads to counts apart from what the other does.

cargo_llvm_cov_version=0.9.1
# Pure: no database, no network. Their tests stand in files of their own, which are not counted.
money_modules=(
    src/money.rs
    src/billing/standing.rs
    src/billing/figures.rs
    src/billing/change/fit.rs
    src/billing/giving/limit.rs
    src/billing/stripe/change.rs
    src/billing/stripe/id.rs
)

build_cargo_llvm_cov() {
    cargo install --quiet --locked --root "$1" --target-dir "$1/target" "cargo-llvm-cov@$cargo_llvm_cov_version"
    mv "$1/bin/cargo-llvm-cov" "$1/cargo-llvm-cov"
    rm -rf "$1/target" "$1/bin"
}

# The programs of LLVM that belong to this Rust; those of another version can't read what it counts.
llvm_tools() {
    local folder
    folder=$(rustc --print target-libdir)/../bin
    if [[ -n "${LLVM_COV:-}" && -n "${LLVM_PROFDATA:-}" ]] || [[ -e "$folder/llvm-cov" ]]; then return; fi
    command -v rustup >/dev/null && rustup component add llvm-tools >&2 && return
    die 3 "llvm-cov is missing: rustup component add llvm-tools (or set LLVM_COV and LLVM_PROFDATA to those of LLVM $(rustc -vV | sed -n 's/^LLVM version: //p'))"
}

coverage() {
    local report module
    prerequisites
    llvm_tools
    provide cargo-llvm-cov "$(echo "cargo-llvm-cov@$cargo_llvm_cov_version" | hash_of)" build_cargo_llvm_cov
    for module in "${money_modules[@]}"; do
        [[ -e "$module" ]] || die 1 "coverage: there is no $module; say in dev.d/coverage.sh where it went"
    done
    # shellcheck disable=SC2154 # set by `provide`
    PATH="${home_of_cargo_llvm_cov%/*}:$PATH"
    step "unit tests, counted" cargo llvm-cov --quiet --locked --lib --no-report -- --quiet money:: billing::
    report=$(mktemp)
    cargo llvm-cov report --show-missing-lines >"$report"
    covered "$report" "${money_modules[@]}" || { rm -f "$report"; return 1; }
    rm -f "$report"
}

# covered REPORT MODULE...: a line for each module, the lines with something that nothing runs, and one for all. A module that is not in the
# report is one that no test was built with.
covered() {
    local report=$1
    shift
    awk -v wanted="$*" '
        BEGIN { n = split(wanted, names, " ") }
        function module(path,    i, short) {
            for (i = 1; i <= n; i++) {
                short = substr(names[i], 5)
                if (path == names[i] || path == short || substr(path, length(path) - length(names[i])) == "/" names[i]) return names[i]
            }
            return ""
        }
        /^[^ ]+\.rs +[0-9]/ { name = module($1); if (name != "") { regions[name] = $2; missed[name] = $3 } }
        /^[^ ]+\.rs: [0-9]/ { path = $1; sub(/:$/, "", path); name = module(path); if (name != "") { sub(/^[^:]*: /, ""); lines[name] = $0 } }
        END {
            for (i = 1; i <= n; i++) {
                name = names[i]
                if (!(name in regions)) { printf "%-32s not in the report\n", name; gone++; continue }
                all += regions[name]; out += missed[name]
                printf "%-32s %4d of %4d regions%s\n", name, regions[name] - missed[name], regions[name], \
                    missed[name] ? "; nothing runs all of lines " lines[name] : ""
            }
            printf "regions: %d  missed: %d  covered: %.2f %%\n", all, out, all ? 100 * (all - out) / all : 0
            exit gone > 0
        }' "$report"
}
