#!/usr/bin/perl
# Usage: idmap_mount.pl SOURCE TARGET FILESYSTEM-ID MOUNT-ID COUNT
# Bind-mounts SOURCE at TARGET with user and group ids shifted: what the filesystem calls FILESYSTEM-ID, this mount calls
# MOUNT-ID. By system calls, because Debian 12's mount(8) has no X-mount.idmap yet. Numbers: x86-64.
use strict;
use warnings;
use constant {
    UNSHARE => 272, OPEN_TREE => 428, MOVE_MOUNT => 429, MOUNT_SETATTR => 442,
    CLONE_NEWUSER => 0x10000000, AT_FDCWD => -100, AT_EMPTY_PATH => 0x1000,
    OPEN_TREE_CLONE => 1, MOUNT_ATTR_IDMAP => 0x100000, MOVE_MOUNT_F_EMPTY_PATH => 4,
};

my ($source, $target, $filesystem_id, $mount_id, $count) = @ARGV;
my $empty = '';

sub call {
    my ($what, $number, @arguments) = @_;
    my $result = syscall($number, @arguments);
    die "$what: $!\n" if $result < 0;
    return $result;
}

# A user namespace exists only with a process in it: a child that lives until its map is written and opened.
pipe(my $ready, my $say_ready) and pipe(my $go, my $say_go) or die "pipe: $!\n";
my $child = fork // die "fork: $!\n";
if ($child == 0) {
    close $say_go;
    call('unshare', UNSHARE, CLONE_NEWUSER);
    syswrite $say_ready, '1';
    sysread $go, my $end, 1;
    exit 0;
}
close $say_ready;
sysread($ready, my $byte, 1) == 1 or die "expected the child in its namespace, saw its end\n";
for my $kind ('uid', 'gid') {
    open my $map, '>', "/proc/$child/${kind}_map" or die "${kind}_map: $!\n";
    print {$map} "$filesystem_id $mount_id $count\n";
    close $map or die "${kind}_map: $!\n";
}
open my $namespace, '<', "/proc/$child/ns/user" or die "namespace: $!\n";
my $tree = call('open_tree', OPEN_TREE, AT_FDCWD, "$source", OPEN_TREE_CLONE);
my $attributes = pack('QQQQ', MOUNT_ATTR_IDMAP, 0, 0, fileno $namespace);
call('mount_setattr', MOUNT_SETATTR, $tree, $empty, AT_EMPTY_PATH, $attributes, length $attributes);
call('move_mount', MOVE_MOUNT, $tree, $empty, AT_FDCWD, "$target", MOVE_MOUNT_F_EMPTY_PATH);
close $say_go;
waitpid $child, 0;
