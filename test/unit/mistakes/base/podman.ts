import { conf, fail, installDeb } from "debcast";
const data = conf.disk?.data ?? fail("podman keeps containers on the data partition", 'disk: { data: { size: "rest", mount: "/data" } }');
installDeb("podman");
export const containers = `${data.mount}/containers`;
