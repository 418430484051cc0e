"""Programs made to find what a filesystem gets wrong: stress-ng's filesystem stressors, and fio with checksums."""

from guestlib.case import Case, Device, Part
from guestlib.failure import CaseFailure
from guestlib.report import Report
from guestlib.shares import Shares

# Operations of each stressor, bounded for an emulated processor. Not here: those that need an ioctl, quota, inotify or
# another filesystem, those that loop a given number of times per operation whatever one asks, and xattr (features).
STRESSORS = {
    "access": 10, "chmod": 4, "chown": 20, "dentry": 64, "dir": 50, "dirdeep": 1, "dirmany": 50,
    "fallocate": 2, "fcntl": 20, "filename": 4, "flock": 20, "fsize": 2, "fstat": 10, "getdent": 10, "hdd": 20,
    "io": 2, "iomix": 10, "locka": 20, "lockf": 20, "lockofd": 20, "mknod": 10, "open": 50, "readahead": 2,
    "rename": 50, "seek": 50, "sendfile": 10, "sync-file": 1, "touch": 20, "utime": 20,
}
SMALL = ("fallocate-bytes 4m", "dentries 64", "hdd-bytes 4m", "iomix-bytes 4m", "readahead-bytes 4m",
         "seek-size 4m", "sendfile-size 1m", "sync-file-bytes 4m")

# Bounded by operations; the time limit is the bound of an operation that hangs, and then counts as a failure below.
STRESS_SCRIPT = """
run_stressors() {{ # DIRECTORY COMMAND...
    local directory="$1"
    shift
    (
        echo run sequential
        echo verify
        echo timeout 60
        echo metrics
        echo "temp-path $directory"
        printf '%s\\n' {small}
        for pair in {stressors}; do echo "${{pair%%:*}} 1"; echo "${{pair%%:*}}-ops ${{pair##*:}}"; done
    ) > /tmp/job
    cd "$directory" # it wants to write there, whatever the job says of paths
    "$@" stress-ng --job /tmp/job --yaml /tmp/metrics --no-rand-seed > /tmp/said 2>&1 || {{
        grep -v metrc: /tmp/said
        fail "stress-ng in $directory${{*:+ }}$*: expected status 0"
    }}
    cd /
    awk -v who="$*" '$1 == "-" && $2 == "stressor:" {{ name = $3 }}
        $1 == "bogo-ops:" {{ operations = $2 }}
        $1 == "wall-clock-time:" {{ print "ops of " name " " who "=" operations " in " $2 " s" }}' /tmp/metrics
    rm /tmp/metrics
}}
chmod 1777 /srv/{tag}
run_stressors /srv/{tag}
{user}
expect "what is left in the share" "" "$(ls -A /srv/{tag})"
"""


def stress_script(tag: str, user: str) -> str:
    stressors = " ".join(f"{name}:{operations}" for name, operations in STRESSORS.items())
    small = " ".join(f"'{line}'" for line in SMALL)
    return STRESS_SCRIPT.format(tag=tag, stressors=stressors, small=small, user=user)


def on_memory(tag: str):
    """The share is a tmpfs: many stressors sync, and a disk's time for that is the host's affair."""
    return lambda shares: shares.mount_tmpfs(shares[tag], "mode=755,size=256m")


def verify_stress(runs: int):
    def verify(_shares: Shares, report: Report) -> None:
        idle = [line for line in report.lines if line.startswith("ops of ") and "=0 " in line]
        count = sum(line.startswith("ops of ") for line in report.lines)
        if idle or count != runs * len(STRESSORS):
            raise CaseFailure(f"stress-ng: expected operations of {runs} x {len(STRESSORS)} stressors, saw {count}, "
                              f"without any: {idle}")

    return verify


FIO_GLOBAL = """[global]
directory=/srv/{tag}
verify=crc32c
verify_fatal=1
fallocate=none
randrepeat=1
stonewall
"""
FIO_JOBS = {
    "sequential": "rw=write\nbs=64k\nsize=8m\nend_fsync=1",
    "random": "rw=randwrite\nbs=4k\nsize=1m",
    "odd": "rw=randwrite\nbs=1500\nsize=750000",
    "several": "rw=randwrite\nbs=8k\nsize=512k\nnumjobs=4",
    "direct": "ioengine=libaio\ndirect=1\niodepth=8\nrw=randwrite\nbs=16k\nsize=2m",
    "mmap": "ioengine=mmap\nrw=randwrite\nbs=4k\nsize=1m",
}


def fio_script(tag: str, mmap: bool) -> str:
    """Writes, then reads back what the daemon has, not what the guest remembers."""
    jobs = FIO_GLOBAL.format(tag=tag) + "".join(
        f"[{name}]\n{text}\n" for name, text in FIO_JOBS.items() if mmap or name != "mmap")
    return f"""
chmod 1777 /srv/{tag}
cat > /tmp/fio-{tag} <<'END'
{jobs}
END
run_fio() {{ # WHAT OPTION
    as alice fio $2 --output=/tmp/results-{tag} /tmp/fio-{tag} > /tmp/said 2>&1 || {{
        cat /tmp/said
        grep 'err=[^ ]*[1-9]' /tmp/results-{tag}
        fail "fio, $1: expected status 0"
    }}
}}
cd /tmp # its state files
run_fio "writing in {tag}" --do_verify=0
sync
echo 3 > /proc/sys/vm/drop_caches
run_fio "reading back in {tag}" --verify_only
"""


CASE = Case(
    name="stress", summary="stress-ng's filesystem stressors as root and as a user; fio with checksums",
    kernel="debian13", cpus=2, memory_mib=1024, time_limit=900,
    parts=(
        Part("stress-auto", stress_script("stress-auto", 'run_stressors /srv/stress-auto as alice'),
             (Device("stress-auto"),), on_memory("stress-auto"), verify_stress(2)),
        Part("stress-never", stress_script("stress-never", ""),
             (Device("stress-never", ("--cache=never",)),), on_memory("stress-never"), verify_stress(1)),
        Part("fio-auto", fio_script("fio-auto", True), (Device("fio-auto"),)),
        Part("fio-never", fio_script("fio-never", False), (Device("fio-never", ("--cache=never",)),)),
        Part("fio-always", fio_script("fio-always", True), (Device("fio-always", ("--cache=always",)),)),
    ))
