# PID 1 after switch_root into the first device, which is a Debian, read-only: mounts each further device at /srv/TAG and
# runs the case's parts. Not in a chroot of init's: a process in one may not make a user namespace.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
busybox() { /tmp/guest/busybox "$@"; }
. /tmp/guest/report.sh
for pair in proc:proc sysfs:sys tmpfs:srv; do
    mount -t "${pair%%:*}" "${pair%%:*}" "/${pair##*:}" || report_exit "mounting ${pair##*:} failed" 102
done
mkdir /dev/shm && mount -t tmpfs tmpfs /dev/shm
while read -r tag options; do
    mkdir "/srv/$tag"
    # shellcheck disable=SC2086 # one word or two
    mount -t virtiofs "$tag" "/srv/$tag" $options || report_exit "mounting tag $tag failed" 102
done < /tmp/guest/devices

failed=0
uptime_centiseconds() { read -r up _ < /proc/uptime; echo "${up%.*}${up#*.}"; }
while read -r name; do
    echo "@@$NONCE part $name" > "$REPORT"
    start=$(uptime_centiseconds)
    /bin/sh "/tmp/guest/parts/$name" > "$REPORT" 2>&1 < /dev/null
    status=$?
    [ $status -eq 0 ] || failed=1
    echo "@@$NONCE end $status $(($(uptime_centiseconds) - start))" > "$REPORT"
done < /tmp/guest/part_names

while read -r tag _; do
    umount "/srv/$tag" || report_exit "umount of tag $tag failed after the scripts" 103
done < /tmp/guest/devices
report_exit "" $failed
