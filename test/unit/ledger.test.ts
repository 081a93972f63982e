// Ids of users and groups: natural at first, then those of the lock, and nobody's moves because of somebody else.
import { expect, test } from "vitest";
import { assign, pinned } from "../../lib/rootfs/ledger.ts";

const ids = (o: Record<string, number>) => new Map(Object.entries(o));
const given = (natural: Record<string, number>, ledger: Record<string, number>) => {
  const { moves, ledger: after } = assign(ids(natural), ids(ledger));
  return { moves: [...moves], ledger: Object.fromEntries(after) };
};

test("a first build keeps what packages hand out; fixed ids are not recorded", () => {
  expect(given({ root: 0, www: 33, nobody: 65534, messagebus: 997, dlog: 1000 }, {})).toEqual({ moves: [], ledger: { messagebus: 997, dlog: 1000 } });
});

test("a package more moves nobody", () => {
  const before = { "systemd-network": 998, messagebus: 997 };
  expect(given({ "systemd-network": 998, avahi: 997, messagebus: 996 }, before)).toEqual({
    moves: [[997, 999], [996, 997]],
    ledger: { ...before, avahi: 999 },
  });
});

test("the id of a package that went stays its own", () => {
  expect(given({ avahi: 997 }, { messagebus: 997 })).toEqual({ moves: [[997, 999]], ledger: { messagebus: 997, avahi: 999 } });
});

test("people count up, and never into the system's ids", () => {
  expect(given({ second: 1000 }, { first: 1000 })).toEqual({ moves: [[1000, 1001]], ledger: { first: 1000, second: 1001 } });
});

test("two names of one id stay together", () => {
  expect(given({ toor: 500, alias: 500, other: 400 }, { toor: 400 })).toEqual({
    moves: [[500, 400], [400, 999]],
    ledger: { toor: 400, alias: 400, other: 999 },
  });
});

test("twice is as once", () => {
  const first = assign(ids({ a: 998, b: 997, c: 1000 }), ids({ b: 998, d: 997 }));
  expect(assign(first.ledger, first.ledger)).toEqual({ moves: new Map(), ledger: first.ledger });
});

test("an id that the conf gives wins, and its holder gets another", () => {
  const ledger = { users: ids({ dlog: 1000, other: 1500 }), groups: ids({ dlog: 1000 }) };
  const after = pinned(ledger, [{ name: "dlog", uid: 1500 }, { name: "free" }]);
  expect([Object.fromEntries(after.users), Object.fromEntries(after.groups)]).toEqual([{ dlog: 1500 }, { dlog: 1500 }]);
});
