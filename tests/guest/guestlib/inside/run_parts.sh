# Runs the case's parts: the share that is mounted at /mnt is a Debian, read-only, which becomes the root of each part's
# script; each further device is mounted at /srv/TAG in it. Sourced by init.
for pair in proc:proc sysfs:sys devtmpfs:dev tmpfs:tmp tmpfs:srv; do
    mount -t "${pair%%:*}" "${pair%%:*}" "/mnt/${pair##*:}" || report_exit "mounting ${pair##*:} failed" 102
done
chmod 1777 /mnt/tmp
mkdir /mnt/dev/shm && mount -t tmpfs tmpfs /mnt/dev/shm
cp -r /guest /mnt/tmp/guest
while read -r tag options; do
    mkdir "/mnt/srv/$tag"
    # shellcheck disable=SC2086 # one word or two
    mount -t virtiofs "$tag" "/mnt/srv/$tag" $options || report_exit "mounting tag $tag failed" 102
done < /guest/devices

failed=0
uptime_centiseconds() { read -r up _ < /proc/uptime; echo "${up%.*}${up#*.}"; }
while read -r name; do
    echo "@@$NONCE part $name" > "$REPORT"
    start=$(uptime_centiseconds)
    PATH=/usr/sbin:/usr/bin chroot /mnt /bin/sh "/tmp/guest/parts/$name" > "$REPORT" 2>&1 < /dev/null
    status=$?
    [ $status -eq 0 ] || failed=1
    echo "@@$NONCE end $status $(($(uptime_centiseconds) - start))" > "$REPORT"
done < /guest/part_names

while read -r tag _; do
    umount "/mnt/srv/$tag" || report_exit "umount of tag $tag failed after the scripts" 103
done < /guest/devices
umount /mnt/srv /mnt/tmp /mnt/dev/shm /mnt/dev /mnt/sys /mnt/proc /mnt || report_exit "umount of the tools failed" 103
report_exit "" $failed
