# Long steps say their name and, at the end, how long they took.

die() {
    local code=$1
    shift
    printf 'dev: %s\n' "$*" >&2
    exit "$code"
}

# elapsed_since SECONDS_AT_START: "1 min 5 s"
elapsed_since() {
    local seconds=$((SECONDS - $1))
    if ((seconds >= 60)); then echo "$((seconds / 60)) min $((seconds % 60)) s"; else echo "$seconds s"; fi
}

# step NAME COMMAND...: stops everything when the command fails
step() {
    local name=$1 started=$SECONDS
    shift
    echo "— $name …" >&2
    "$@" || die 1 "$name failed after $(elapsed_since "$started")"
    echo "  $name: $(elapsed_since "$started")" >&2
}

# attempt NAME COMMAND...: notes a failure in the array `failed` and goes on
attempt() {
    local name=$1 started=$SECONDS
    shift
    echo "— $name …" >&2
    if "$@"; then
        echo "  $name: good ($(elapsed_since "$started"))" >&2
    else
        echo "  $name: FAILED ($(elapsed_since "$started"))" >&2
        failed+=("$name")
    fi
}
