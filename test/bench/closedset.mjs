// Random sets of packages that are closed: whatever one of them depends on is in the set. The same seed and archive give the same set.

/** Sections whose packages run services, replace one another or belong to a kernel; a random lot of them does not go together. */
const unfit = /(^|\/)(admin|comm|database|debian-installer|httpd|kernel|mail|metapackages|net|news|otherosfs|x11|gnome|kde|xfce|javascript)$/;

/** Its postinst registers a catalogue entry by entry, for longer than dpkg takes to configure 400 others. */
const slow = "w3c-sgml-lib";

/** Larger ones would only measure the disk. */
const mostBytes = 2_000_000;

/** Name → what choosing needs to know. Several versions of a name: the last one. */
export function parseIndex(text) {
  const index = new Map();
  for (const paragraph of text.split("\n\n")) {
    const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1] ?? "";
    const name = field("Package");
    if (name === "") continue;
    index.set(name, {
      name,
      section: field("Section"),
      size: Number(field("Size")),
      needs: groups(`${field("Pre-Depends")}, ${field("Depends")}`),
      // With a version they are about what an earlier release had.
      refuses: groups(`${field("Conflicts")}, ${field("Breaks")}`.replace(/[^,]*\([^,]*/g, "")).map((g) => g[0]),
      provides: groups(field("Provides")).map((g) => g[0]),
    });
  }
  return index;
}

/**
 * A list of names for each of `steps`, each list the beginning of the next; `has` are there already and not in the lists.
 * Undefined when the archive is too small for it.
 */
export function closedSet(index, { has, steps, seed }) {
  const state = { there: new Set(has), given: new Set(has.flatMap((n) => index.get(n)?.provides ?? [])), refused: new Set(has.flatMap((n) => index.get(n)?.refuses ?? [])) };
  const candidates = shuffled([...index.keys()].sort(), seed);
  const lists = [];
  const chosen = [];
  for (const size of steps) {
    for (const name of candidates) {
      if (chosen.length === size) break;
      const more = closureOf(index, name, state, size - chosen.length);
      for (const n of more ?? []) take(index.get(n), state);
      chosen.push(...(more ?? []));
    }
    if (chosen.length !== size) return undefined;
    lists.push([...chosen]);
  }
  return lists;
}

/** What `name` adds to the set, at most `room` names; undefined when that does not fit, or does not go together. */
function closureOf(index, name, { there, given, refused }, room) {
  const adds = new Set();
  const todo = [name];
  for (const next of todo) {
    if (there.has(next) || adds.has(next)) continue;
    const deb = index.get(next);
    if (!fits(deb, { there, given, refused, adds, index })) return undefined;
    adds.add(next);
    if (adds.size > room) return undefined;
    for (const group of deb.needs) {
      if (group.some((n) => there.has(n) || adds.has(n) || given.has(n))) continue;
      todo.push(group[0]);
    }
  }
  return adds.size > 0 ? [...adds] : undefined;
}

function fits(deb, { there, given, refused, adds, index }) {
  if (deb === undefined || unfit.test(deb.section) || deb.name === slow || deb.size > mostBytes) return false;
  const names = [deb.name, ...deb.provides];
  const added = [...adds].map((n) => index.get(n));
  return (
    !names.some((n) => refused.has(n) || added.some((a) => a.refuses.includes(n))) &&
    !deb.refuses.some((n) => n !== deb.name && (there.has(n) || given.has(n) || added.some((a) => a.name === n || a.provides.includes(n))))
  );
}

function take(deb, { there, given, refused }) {
  there.add(deb.name);
  for (const n of deb.provides) given.add(n);
  for (const n of deb.refuses) if (n !== deb.name && !deb.provides.includes(n)) refused.add(n);
}

/** Names of a relation field: groups of alternatives. Versions are left to debcast's check; within one archive they nearly always hold. */
function groups(text) {
  return text
    .split(",")
    .map((group) => group.split("|").map((one) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(one)?.[1]).filter((n) => n !== undefined))
    .filter((g) => g.length > 0);
}

function shuffled(list, seed) {
  const random = generator(seed);
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

/** Numbers from 0 to below 1 (mulberry32): Node's own take no seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
