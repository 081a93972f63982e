// What `debcast push` wants of a device: rsync, and root for a user who logs in by key. Without it, root's own login or a member of the
// group `sudo` will do.
import { defineOptions, fail, listOf, need, optional, run, text } from "debcast";

export const options = defineOptions({
  /** Default: everybody who may log in with ssh. */
  users: optional(listOf(text())),
});

const { allow } = need("ssh").options;
need("sudo", "tool-rsync");

const users = options.users ?? allow;
if (users.length === 0) fail("nobody may push to this image: `options.ssh.allow` is empty", 'options: { ssh: { allow: ["dlog"] } },');
for (const name of users) if (!allow.includes(name)) fail(`push has the user \`${name}\`, whom ssh does not let in`, `options: { ssh: { allow: [${[...allow, name].map((n) => `"${n}"`).join(", ")}] } },`);

run(({ write }) => {
  // Who may replace every file of a system is root there in all but name, so these two give away no more than rsync alone would.
  write("/etc/sudoers.d/20-push", users.map((name) => `${name} ALL=(root) NOPASSWD: /usr/bin/sh, /usr/bin/rsync\n`).join(""), { mode: 0o440 });
});
