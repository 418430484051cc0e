# What the cases' scripts may use. A failed check names what was expected and what was seen, and ends the script.
set -eu

fail() {
    echo "FAILED: $*"
    exit 1
}

expect() { # WHAT EXPECTED SEEN
    [ "$2" = "$3" ] || fail "$1: expected '$2', saw '$3'"
}

expect_failure() { # WHAT MESSAGE-PART COMMAND...: the command must fail, and say so in these words
    local what="$1" words="$2" said
    shift 2
    if said=$("$@" 2>&1); then fail "$what: expected '$*' to fail with '$words', it succeeded"; fi
    case "$said" in
        *"$words"*) ;;
        *) fail "$what: expected '$*' to fail with '$words', it said '$said'" ;;
    esac
}
