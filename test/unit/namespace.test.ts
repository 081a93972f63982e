// What a user reads who cannot have the namespaces of a build: machines of every kind, by what there is to see of them.
import { expect, test } from "vitest";
import type { UserError } from "../../lib/errors.ts";
import { adviceFor, whatIsMissing, type Facts } from "../../lib/namespace/advice.ts";

const files: Record<string, string> = {
  "/etc/subuid": "dlog:100000:65536\n", "/etc/subgid": "dlog:100000:65536\n", "/proc/sys/user/max_user_namespaces": "96365\n",
};

function machine(o: Partial<Facts> & { files?: Record<string, string> } = {}): Facts {
  const has = { ...files, ...o.files };
  return { root: false, user: "dlog", uid: 1000, newuidmap: true, container: false, read: (file) => has[file], ...o };
}

function read(e: UserError | undefined): string {
  return e ? [`${e.code}: ${e.message}`, ...(e.details ? [e.details] : []), `hint: ${e.hint}`].join("\n") : "nothing";
}

test("an ordinary machine lacks nothing", () => {
  expect(read(whatIsMissing(machine()))).toBe("nothing");
  expect(read(whatIsMissing(machine({ root: true, newuidmap: false, files: { "/etc/subuid": "" } })))).toBe("nothing");
});

test("no uidmap", () => {
  expect(read(whatIsMissing(machine({ newuidmap: false })))).toMatchInlineSnapshot(`
    "namespace.no-uidmap: a build as a normal user needs \`newuidmap\` and \`newgidmap\`, which this machine lacks
    hint: sudo apt-get install uidmap"
  `);
});

test("no subordinate ids: the line gives a free range", () => {
  const others = { "/etc/subuid": "ann:100000:65536\nbob:165536:65536\n", "/etc/subgid": "ann:100000:65536\n" };
  expect(read(whatIsMissing(machine({ files: others })))).toMatchInlineSnapshot(`
    "namespace.no-subids: the user \`dlog\` has no subordinate ids in /etc/subuid and /etc/subgid, to whom the image's files would belong
    hint: sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 dlog"
  `);
});

test("subordinate uids, but no gids", () => {
  expect(read(whatIsMissing(machine({ files: { "/etc/subgid": "" } })))).toMatchInlineSnapshot(`
    "namespace.no-subids: the user \`dlog\` has no subordinate ids in /etc/subgid, to whom the image's files would belong
    hint: sudo usermod --add-subgids 165536-231071 dlog"
  `);
});

test("a range by number counts; one that is too small does not", () => {
  expect(read(whatIsMissing(machine({ files: { "/etc/subuid": "1000:100000:65536\n" } })))).toBe("nothing");
  expect(read(whatIsMissing(machine({ files: { "/etc/subuid": "dlog:100000:1000\n" } })))).toMatchInlineSnapshot(`
    "namespace.few-subids: the user \`dlog\` has only 1000 subordinate ids in /etc/subuid, and an image needs 65535
    hint: remove the line of \`dlog\` there, then: sudo usermod --add-subuids 165536-231071 dlog"
  `);
});

test("namespaces forbidden", () => {
  expect(read(whatIsMissing(machine({ files: { "/proc/sys/kernel/unprivileged_userns_clone": "0\n" } })))).toMatchInlineSnapshot(`
    "namespace.forbidden: this machine forbids normal users to make namespaces (\`kernel.unprivileged_userns_clone\` is 0)
    hint: sudo sysctl kernel.unprivileged_userns_clone=1
    lasting: echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-debcast.conf
    or build as root"
  `);
  expect(read(whatIsMissing(machine({ files: { "/proc/sys/user/max_user_namespaces": "0\n" } })))).toMatchInlineSnapshot(`
    "namespace.forbidden: this machine forbids normal users to make namespaces (\`user.max_user_namespaces\` is 0)
    hint: sudo sysctl user.max_user_namespaces=10000
    lasting: echo user.max_user_namespaces=10000 | sudo tee /etc/sysctl.d/60-debcast.conf
    or build as root"
  `);
});

test("a try that failed", () => {
  const said = "unshare: unshare failed: Operation not permitted";
  const apparmor = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" };
  expect(read(adviceFor(machine({ files: apparmor }), "mount: /proc: permission denied."))).toMatchInlineSnapshot(`
    "namespace.apparmor: AppArmor takes all rights from the namespaces of normal users (\`kernel.apparmor_restrict_unprivileged_userns\` is 1)
    mount: /proc: permission denied.
    hint: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0
    or build as root"
  `);
  expect(read(adviceFor(machine({ container: true, root: true }), said))).toMatchInlineSnapshot(`
    "namespace.container: this container may not make the namespaces that a build needs
    unshare: unshare failed: Operation not permitted
    hint: start it with \`--privileged\`, or with \`--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined\`"
  `);
  expect(read(adviceFor(machine({ root: true }), said))).toMatchInlineSnapshot(`
    "namespace.refused: root may not make the namespaces that a build needs
    unshare: unshare failed: Operation not permitted
    hint: root without CAP_SYS_ADMIN, as in a container, cannot build: give it that, or build as a normal user"
  `);
  expect(read(adviceFor(machine(), said))).toMatchInlineSnapshot(`
    "namespace.failed: a user namespace with subordinate ids could not be made
    unshare: unshare failed: Operation not permitted
    hint: \`unshare --user --map-root-user --map-auto --mount true\` must work for \`dlog\`; or build as root"
  `);
  expect(read(adviceFor(machine({ root: true }), "unshare: cannot change root filesystem propagation: Invalid argument"))).toMatchInlineSnapshot(`
    "namespace.chroot: this is a chroot whose root is no mount point, and namespaces need one
    unshare: cannot change root filesystem propagation: Invalid argument
    hint: outside of the chroot, before it is entered: mount --bind CHROOT CHROOT"
  `);
});
