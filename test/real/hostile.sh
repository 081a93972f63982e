# A maintainer script that means harm, run as root in the sandbox. Each attempt says what came of it. $1 is a process of the host,
# $2 a port it listens on, $3 a file of the host.
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name: done"; else echo "$name: refused"; fi; }
put() { printf %s "$1" >"$2"; }
# A system call by its number (amd64). It is refused if it is not permitted or not there; any other failure would be luck.
call() { perl -e 'use Errno; my ($n, @a) = map { /^-?\d+$/ ? $_ + 0 : $_ } @ARGV; my $r = syscall($n, @a); exit($r == -1 && ($!{EPERM} || $!{ENOSYS}))' "$@"; }

try "sysctl vm.swappiness" put 1 /proc/sys/vm/swappiness
try "sysctl core_pattern" put '|/evil' /proc/sys/kernel/core_pattern
try "sysctl panic" put 1 /proc/sys/kernel/panic
try "sysrq" put c /proc/sysrq-trigger
try "make /proc writable" mount -o remount,rw /proc
try "make /proc/sys writable" mount -o remount,bind,rw /proc/sys
try "another /proc" mount -t proc proc /mnt
try "mount tmpfs" mount -t tmpfs tmpfs /mnt
try "mount the host's devices" mount -t devtmpfs dev /mnt
try "bind mount" mount --bind /etc /mnt
try "unmount /proc/swaps" umount /proc/swaps
try "unmount /dev" umount -l /dev
try "block device" mknod /tmp/disk b 254 0
try "memory device" mknod /tmp/mem c 1 1
try "read kernel memory" dd if=/proc/kcore of=/dev/null bs=1 count=1
try "change /dev/null's mode" chmod 600 /dev/null
try "change /dev/null's owner" chown 33 /dev/null
try "write the preloaded library" put evil /dev/.eatmydata.so
try "EFI variables" put evil /sys/firmware/efi/efivars/evil
try "anything in /sys" put evil /sys/evil
try "host name" call 170 evil 4
try "domain name" call 171 evil 4
try "set the clock" date -s 2001-01-01
try "reboot" call 169 4276215469 672274793 19088743
try "load a module" call 175 evil 4 ""
try "swap on" call 167 /etc/passwd 0
try "ports" call 172 3
try "kernel log" call 103 5 0 0
try "user namespace" call 272 268435456
try "mount namespace" call 272 131072
try "enter the namespaces of PID 1" sh -c 'nsenter -t 1 -m true'
try "open by handle" perl -e 'use Errno; my $h = pack("II", 8, 1) . pack("II", 2, 0); exit(syscall(304, 0, $h, 0) == -1 && $!{EPERM})'
try "signal a process of the host" kill -9 "$1"
try "see a process of the host" test -e "/proc/$1"
try "reach the host's network" bash -c "exec 3<>/dev/tcp/127.0.0.1/$2"
try "reach any network" bash -c 'exec 3<>/dev/tcp/1.1.1.1/80'
try "real-time priority" chrt -f 50 true
try "a file of the host" cat "$3"
try "a file of the host through PID 1" cat "/proc/1/root$3"
try "write where PID 1 is" put evil /proc/1/root/evil
try "out of the chroot, a file of the host" perl -e 'mkdir "/x"; chroot "/x"; chdir ".." for 1 .. 64; chroot "."; open(my $f, "<", $ARGV[0]) or exit 1' "$3"
try "out of the chroot, write there" perl -e 'mkdir "/x"; chroot "/x"; chdir ".." for 1 .. 64; chroot "."; open(my $f, ">", "evil") or exit 1'
try "its own file" put fine /tmp/fine
rm -rf /x

# Left running, with every file closed.
(setsid sh -c 'exec sleep 98765.4321' </dev/null >/dev/null 2>&1 &)
rm -rf --one-file-system /proc /sys /dev 2>/dev/null
ln -s / /dev/evil
exit 0
