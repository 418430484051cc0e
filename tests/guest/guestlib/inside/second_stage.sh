# PID 1 after switch_root into the share: runs the case's script with the share's own programs, powers off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/.guest/busybox mount -t proc proc /proc
/.guest/busybox mount -t sysfs sysfs /sys
busybox() { /.guest/busybox "$@"; }
. /.guest/guest/report.sh
cd /
/bin/sh /.guest/guest/run_case.sh > "$REPORT" 2>&1
report_exit "" $?
