import { conf, run } from "debcast";
run(({ user }) => { for (const u of conf.users ?? []) user(u.name, { groups: [...(u.groups ?? [])], sshKeys: u.sshKeys ?? [] }); });
