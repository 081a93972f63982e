// Login over the network, by key only. Who may log in is said in the conf: options.ssh.allow, and the keys in users[].sshKeys.
import { conf, defineOptions, fail, installDeb, lines, listOf, need, run, text } from "debcast";

export const options = defineOptions({ port: 22, allow: listOf(text()) });

need("user", "systemd", "procps", "ucf", "lib-core", "lib-krb5");

installDeb("openssh-server", "openssh-sftp-server", "openssh-client", "runit-helper");
installDeb("libwtmpdb0"); // notes logins
installDeb("libfido2-1", "libcbor0.10"); // keys on a token

const users = new Map((conf.users ?? []).map((u) => [u.name, u]));
for (const name of options.allow) {
  if (!users.has(name)) fail(`ssh allows \`${name}\`, who is no user of conf/${conf.name}.ts`, "add the user, or take the name out of options.ssh.allow");
}
const keys = options.allow.flatMap((name) => users.get(name)?.sshKeys ?? []);

run(({ write, copy, enable }) => {
  write("/etc/ssh/sshd_config.d/10-image.conf", lines`
    Port ${options.port}
    HostKey /etc/ssh/ssh_host_ed25519_key
    AuthenticationMethods publickey
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    PermitRootLogin no
    AllowUsers ${options.allow.join(" ")}
    X11Forwarding no
    # Names of clients are asked of no server: a login does not hang without one.
    UseDNS no
  `);
  // The image has no host key: each device makes its own when it starts for the first time.
  copy("missing-key.conf", "/etc/systemd/system/sshd-keygen.service.d/");
  enable("ssh.service");
  // Said on the console of the device, where one looks when ssh does not let one in.
  if (keys.length === 0) write("/etc/issue.d/ssh.issue", `No SSH key was built into this image: nobody can log in (users in conf/${conf.name}.ts).\n\n`);
});
