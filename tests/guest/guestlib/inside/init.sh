#!/bin/busybox sh
# PID 1 of the guest: loads the modules, mounts the first device at /mnt, runs the case's script or parts, powers off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null || true # some kernels have mounted it already
mount -t tmpfs tmpfs /tmp

. /guest/report.sh
report_open
while read -r module; do
    insmod "/guest/modules/$module" || report_exit "insmod $module failed" 101
done < /guest/modules/order

mount -t virtiofs "$TAG" /mnt $MOUNT_OPTIONS || report_exit "mounting tag $TAG failed" 102

if [ "$SHARE_IS_ROOT" = 1 ]; then
    # The second stage finds its things below one directory of the new root.
    mkdir -p /mnt/.guest /mnt/proc /mnt/sys /mnt/dev /mnt/tmp
    cp -r /guest /bin/busybox /mnt/.guest/
    mount -t devtmpfs devtmpfs /mnt/dev
    umount /tmp /proc /sys
    exec switch_root /mnt /.guest/busybox sh /.guest/guest/second_stage.sh
fi

if [ -e /guest/run_parts.sh ]; then
    mount -t devtmpfs devtmpfs /mnt/dev && mount -t tmpfs tmpfs /mnt/tmp || report_exit "mounting below the tools failed" 102
    chmod 1777 /mnt/tmp
    cp -r /guest /bin/busybox /mnt/tmp/ && mv /mnt/tmp/busybox /mnt/tmp/guest/
    umount /tmp /proc /sys
    exec switch_root /mnt /tmp/guest/busybox sh /tmp/guest/run_parts.sh
fi

cd /mnt
sh /guest/run_case.sh > "$REPORT" 2>&1
status=$?
cd /
umount /mnt || report_exit "umount /mnt failed after the script, which ended with $status" 103
report_exit "" $status
