// What a program and all that it started hold in memory, looked at several times a second. The kernel keeps a high-water mark for
// each process, so only growth in a process's last moments can be missed; the sum over processes is of the moments looked at.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

const intervalMs = 200;

export function watchMemory(pid) {
  const peak = { node: 0, tree: 0 };
  const look = () => {
    let together = 0;
    for (const p of treeOf(pid)) {
      together += p.now;
      if (p.node) peak.node = Math.max(peak.node, p.high);
    }
    peak.tree = Math.max(peak.tree, together);
  };
  const timer = setInterval(look, intervalMs);
  return { stop: () => (clearInterval(timer), { nodeBytes: peak.node * 1024, treeBytes: peak.tree * 1024 }) };
}

function* treeOf(root) {
  const processes = new Map();
  for (const entry of readdirSync("/proc")) {
    const p = /^\d+$/.test(entry) ? read(Number(entry)) : undefined;
    if (p) processes.set(p.pid, p);
  }
  for (const p of processes.values()) if (descends(p, root, processes)) yield p;
}

function descends(process, root, processes) {
  for (let p = process; p !== undefined; p = processes.get(p.parent)) if (p.pid === root) return true;
  return false;
}

/** Undefined for one that has just ended, and for threads of the kernel, which have no memory of their own. */
function read(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const number = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? NaN);
    const p = { pid, parent: number("PPid"), high: number("VmHWM"), now: number("VmRSS") };
    return Number.isNaN(p.high) ? { ...p, high: 0, now: 0 } : { ...p, node: readlinkSync(`/proc/${pid}/exe`) === process.execPath };
  } catch {
    return undefined;
  }
}
