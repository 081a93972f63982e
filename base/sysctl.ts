// Kernel settings: hardened where it costs nothing, and a crash ends in a restart instead of a dead device.
import { lines, need, run } from "debcast";

need("systemd"); // systemd-sysctl applies them at boot

run(({ write }) => {
  write("/etc/sysctl.d/60-image.conf", lines`
    # A device that crashed starts again.
    kernel.panic = 10
    kernel.panic_on_oops = 1
    # SysRq: sync, remount read-only, reboot; nothing that shows memory.
    kernel.sysrq = 176
    # Addresses and messages of the kernel are for root, and nobody loads a profile of another's process.
    kernel.kptr_restrict = 2
    kernel.dmesg_restrict = 1
    kernel.yama.ptrace_scope = 1
    kernel.unprivileged_bpf_disabled = 1
    # Links and fifos in /tmp that belong to another.
    fs.protected_symlinks = 1
    fs.protected_hardlinks = 1
    fs.protected_fifos = 1
    fs.protected_regular = 2
    # No memory of programs with privileges on disk.
    fs.suid_dumpable = 0
    # Routers do not tell us our routes; loose reverse path, because a gateway has more than one way.
    net.ipv4.conf.all.rp_filter = 2
    net.ipv4.conf.all.accept_redirects = 0
    net.ipv4.conf.default.accept_redirects = 0
    net.ipv4.conf.all.send_redirects = 0
    net.ipv6.conf.all.accept_redirects = 0
    net.ipv6.conf.default.accept_redirects = 0
  `);
});
