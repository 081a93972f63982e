// What every Debian has: the Essential packages, those of priority `required`, and apt. mmdebstrap calls it minbase. It is in each
// image without being asked for, so no other scriptlet needs it by name.
import { installDeb } from "debcast";

// Essential: packages may use these without depending on them.
installDeb("base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils");
installDeb("grep", "gzip", "hostname", "init-system-helpers", "libc-bin", "login", "login.defs", "ncurses-base", "ncurses-bin");
installDeb("perl-base", "sed", "sysvinit-utils", "tar", "util-linux");

// Priority `required`: debconf asks what a package must know, PAM lets users in, mount and passwd are for the administrator.
installDeb("debconf", "libpam-modules", "libpam-modules-bin", "libpam-runtime", "mawk", "mount", "passwd", "tzdata");

// apt, with the keys it trusts and what verifies them.
installDeb("apt", "debian-archive-keyring", "sqv");

// The C library, and what the compilers link programs with.
installDeb("gcc-14-base", "libc6", "libcrypt1", "libgcc-s1", "libstdc++6");

// Attributes, capabilities, auditing, SELinux and PAM: linked by nearly every tool above, used or not.
installDeb("libacl1", "libattr1", "libaudit-common", "libaudit1", "libcap-ng0", "libcap2", "libpam0g", "libseccomp2");
installDeb("libselinux1", "libsemanage-common", "libsemanage2", "libsepol2");

// Disks and terminals: util-linux, mount, login, systemd's client library.
installDeb("libblkid1", "liblastlog2-2", "libmount1", "libsmartcols1", "libsystemd0", "libtinfo6", "libudev1", "libuuid1");

// Compression, databases and hashes: dpkg, apt, perl, login.
installDeb("libbsd0", "libbz2-1.0", "libdb5.3t64", "liblz4-1", "liblzma5", "libmd0", "libsqlite3-0", "libxxhash0", "libzstd1", "zlib1g");
installDeb("libapt-pkg7.0", "libdebconfclient0", "libpcre2-8-0");

// Cryptography: sqv takes nettle, apt and the rest OpenSSL.
installDeb("libgmp10", "libhogweed6t64", "libnettle8t64", "libssl3t64", "openssl-provider-legacy");
