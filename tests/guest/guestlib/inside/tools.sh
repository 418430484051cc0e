# What the parts' scripts may use besides.
CONFORMANCE=/tmp/guest/files/conformance
export HOME=/tmp LC_ALL=C.UTF-8

as() { # USER COMMAND...: with the user's ids and groups, and no capability
    local user="$1"
    shift
    setpriv --reuid="$user" --regid="$user" --init-groups --inh-caps=-all -- "$@"
}
