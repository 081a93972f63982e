// dracut-install(1) starts a cp(1) for each file that it installs: for a thousand kernel modules that is two thirds of the time of
// mkinitramfs(8). What is there already it does not copy, but notes in its log all the same. So while an initramfs is made a script is
// found in its place, which lets the real one work on a directory that seems to have all modules, and has those in its log copied by
// one cpio(1). Firmware, and whatever else it installs, it copies itself.
import { copyFileSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shellQuote } from "../run.ts";
import type { SandboxOptions } from "../sandbox.ts";
import { realPath, resolveIn } from "./paths.ts";

/** initramfs-tools calls it by its path, with the directory first: `-D DESTDIR`. */
const program = "/usr/lib/dracut/dracut-install";

// Modules that are links would be noted, but not what they lead to; a version that notes none may do so only with what it has copied.
// Whatever is unusual is left to the real one alone.
const script = (real: string) => `#!/bin/sh
real=${shellQuote([real])}
[ "$1" = -D ] && [ -d "$2/usr/lib/modules" ] && [ ! -L "$2/usr/lib/modules" ] || exec "$real" "$@"
to=$2
umask 022
scratch=$(mktemp -d /dev/shm/dracut-install.XXXXXX) || exec "$real" "$@"
trap 'rm -rf $scratch' EXIT
mkdir -p $scratch/seems/usr/bin $scratch/seems/usr/lib $scratch/seems/usr/lib64 $scratch/seems/usr/sbin $scratch/log
for dir in bin lib lib64 sbin; do ln -s usr/$dir $scratch/seems/$dir; done
ln -s /usr/lib/modules $scratch/seems/usr/lib/modules
as_ever() { "$real" "$@"; exit; }
shift 2
"$real" -L $scratch/log -D $scratch/seems "$@" >$scratch/said 2>&1 || as_ever -D "$to" "$@"
sed -n 's,^/lib/modules/,usr&,p; s,^/usr/lib/modules/,&,p' $scratch/log/*.log | sed 's,^/,,' | sort -u >$scratch/modules
n=0
while IFS= read -r module; do
  n=$((n + 1))
  [ -f "/$module" ] && [ ! -L "/$module" ] || as_ever -D "$to" "$@"
done <$scratch/modules
[ $n -gt 0 ] || as_ever -D "$to" "$@"
cat $scratch/said
echo "dracut-install: $n modules copied at once"
(cd / && cpio --quiet -pdmu "$to" <$scratch/modules) || exit
for dir in bin lib lib64 sbin usr/lib/modules; do rm $scratch/seems/$dir; done
rmdir --ignore-fail-on-non-empty $scratch/seems/usr/*
cp -a $scratch/seems/. "$to"
`;

/** Runs `run` with what its sandbox is to find in the tree at `root`, where nothing of it stays. */
export async function withQuickCopies<T>(root: string, run: (finds: Pick<SandboxOptions, "over">) => Promise<T>): Promise<T> {
  const isThere = resolveIn(root, program) === join(root, program) && lstatSync(join(root, program), { throwIfNoEntry: false })?.isFile();
  if (!isThere) return run({});
  const dir = mkdtempSync(join(resolveIn(root, "/var/tmp"), "debcast-"));
  try {
    copyFileSync(join(root, program), join(dir, "real"));
    writeFileSync(join(dir, "script"), script(`${realPath(root, "/var/tmp")}${dir.slice(dir.lastIndexOf("/"))}/real`), { mode: 0o755 });
    return await run({ over: [{ from: join(dir, "script"), path: program }] });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
