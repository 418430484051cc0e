# How the guest talks to the host: a serial port of its own, so that no kernel message mixes in. Lines that begin with
# @@ and the run's nonce are the harness's, all others the script's. Sourced, with the settings below put in front.
report_open() {
    # Raw, or the line discipline turns each newline into two characters.
    busybox stty -F "$REPORT" raw -echo 2>/dev/null
    echo "@@$NONCE begin" > "$REPORT"
}

report_exit() { # MESSAGE STATUS
    [ -z "$1" ] || echo "guest: $1" > "$REPORT"
    echo "@@$NONCE exit $2" > "$REPORT"
    busybox sync
    busybox poweroff -f
    while :; do busybox sleep 60; done # PID 1 must not end while the machine goes down
}
