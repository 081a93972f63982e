// The chart: a group of bars for each scenario, one scale for all, from zero.
const width = 960;
const margin = { left: 290, right: 130, top: 70, bottom: 24 };
const bar = { height: 15, gap: 3, group: 14 };
const colours = { debcast: "#1b6ca8", mmdebstrap: "#d9822b", debootstrap: "#a4517a", mkosi: "#6b8f3a", "tar | zstd": "#8a8a8a" };

export function drawChart({ scenarios, machine, runs }) {
  const groups = scenarios.map((s) => ({ title: s.title.startsWith(s.image) ? s.title : `${s.image}: ${s.title}`, bars: barsOf(s) }));
  const most = Math.max(1, ...groups.flatMap((g) => g.bars.map((b) => b.seconds)));
  const x = (seconds) => (seconds / most) * (width - margin.left - margin.right);
  let y = margin.top;
  const parts = groups.map((g) => {
    const drawn = drawGroup(g, y, x);
    y += heightOf(g);
    return drawn;
  });
  const height = y + margin.bottom;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#222">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="16" y="24" font-size="16" font-weight="bold">Seconds to make an image; shorter is better</text>
<text x="16" y="42" fill="#666">${escape(`${machine.cores} × ${machine.cpu}, ${machine.fileSystem}; median of ${runs === 1 ? "one run" : `${runs} runs`}; × is how many times as long as debcast`)}</text>
${legend(groups)}
${parts.join("\n")}
</svg>
`;
}

function barsOf({ medians, ratios }) {
  return Object.entries(medians).map(([who, seconds]) => ({ who, seconds, label: `${seconds.toFixed(seconds < 10 ? 2 : 1)} s${ratios[who] ? `  (${ratios[who].median.toFixed(1)} ×)` : ""}` }));
}

function heightOf({ bars }) {
  return bars.length * (bar.height + bar.gap) + bar.group;
}

function drawGroup({ title, bars }, top, x) {
  const middle = top + (bars.length * (bar.height + bar.gap)) / 2 + 3;
  const lines = bars.map(({ who, seconds, label }, i) => {
    const y = top + i * (bar.height + bar.gap);
    const length = Math.max(1, x(seconds));
    return `<rect x="${margin.left}" y="${y}" width="${length.toFixed(1)}" height="${bar.height}" fill="${colours[who] ?? "#555"}"><title>${escape(`${who}: ${label}`)}</title></rect><text x="${(margin.left + length + 6).toFixed(1)}" y="${y + 12}">${escape(label)}</text>`;
  });
  return `<text x="${margin.left - 10}" y="${middle.toFixed(1)}" text-anchor="end">${escape(title)}</text>\n${lines.join("\n")}`;
}

function legend(groups) {
  const who = [...new Set(groups.flatMap((g) => g.bars.map((b) => b.who)))];
  return who.map((name, i) => `<rect x="${margin.left + i * 130}" y="50" width="11" height="11" fill="${colours[name] ?? "#555"}"/><text x="${margin.left + i * 130 + 16}" y="60">${escape(name)}</text>`).join("");
}

function escape(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
