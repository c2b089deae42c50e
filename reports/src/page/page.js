'use strict';
(() => {
  const source = document.getElementById('data');
  const timeline = document.querySelector('.timeline');
  if (!source || !timeline) return;
  const data = JSON.parse(source.textContent);
  const WIDTH = 1000;
  const readout = document.getElementById('readout');
  let from = 0, to = data.end;

  const seconds = (s) => s < 1 ? `${(s * 1000).toFixed(0)} ms` : `${s.toFixed(2)} s`;
  const place = (t) => (t - from) / (to - from) * 100;

  // Everything outside a plot is placed by its time; what is stretched gets another view box.
  function zoom(a, b) {
    from = Math.max(0, a);
    to = Math.min(data.end, Math.max(b, a + data.end / 1000));
    for (const plot of timeline.querySelectorAll('svg.plot')) {
      const height = plot.getAttribute('height');
      plot.setAttribute('viewBox', `${from / data.end * WIDTH} 0 ${(to - from) / data.end * WIDTH} ${height}`);
    }
    for (const mark of timeline.querySelectorAll('[data-t]')) {
      const at = Number(mark.dataset.t);
      const until = mark.dataset.to === undefined ? at : Number(mark.dataset.to);
      const hidden = until < from || at > to;
      mark.toggleAttribute('hidden', hidden);
      mark.setAttribute('visibility', hidden ? 'hidden' : 'visible');
      const left = Math.max(0, place(at)), right = Math.min(100, place(until));
      if (mark.tagName === 'line') {
        mark.setAttribute('x1', `${left}%`);
        mark.setAttribute('x2', `${mark.dataset.to === undefined ? left : right}%`);
      } else {
        mark.setAttribute('x', `${left}%`);
        if (mark.tagName === 'rect') mark.setAttribute('width', `${Math.max(0, right - left)}%`);
      }
    }
    for (const button of tools.querySelectorAll('button')) {
      const same = Math.abs(button.from - from) < 1e-9 && Math.abs(button.to - to) < 1e-9;
      button.setAttribute('aria-pressed', String(same));
    }
  }

  const tools = document.createElement('div');
  tools.className = 'tools';
  tools.setAttribute('role', 'group');
  tools.setAttribute('aria-label', 'Zoom');
  for (const [name, a, b] of [['whole run', 0, data.end], ...data.parts]) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.from = a;
    button.to = b;
    button.addEventListener('click', () => zoom(a, b));
    tools.append(button);
  }
  const hint = document.createElement('span');
  hint.className = 'dim';
  hint.textContent = 'drag to zoom, Esc for the whole run';
  tools.append(hint);
  if (data.lanes.length > 0) timeline.before(tools);

  const cursor = document.createElement('div');
  cursor.className = 'cursor';
  cursor.hidden = true;
  timeline.append(cursor);
  const lanes = new Map(data.lanes.map((lane) => [lane.id, { ...lane, byIndex: new Map(lane.columns.map((c) => [c[0], c])) }]));

  const timeAt = (event) => {
    const box = timeline.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return from + share * (to - from);
  };

  function tell(event) {
    const at = timeAt(event);
    const phase = data.phases.filter(([begin]) => begin <= at).at(-1);
    const lines = [`${seconds(at)}${phase ? `, ${phase[1]}` : ''}`];
    const probe = event.target.closest('.probe');
    for (const svg of probe ? probe.querySelectorAll('svg.lane') : []) {
      const lane = lanes.get(svg.id);
      if (!lane) continue;
      const index = Math.floor((at - lane.from) / lane.width);
      const column = lane.byIndex.get(index);
      const name = probe.querySelector('summary b').textContent;
      if (!column) { lines.push(`${name}: good`); continue; }
      const [, good, late, bad, none, message] = column;
      const parts = [[good, 'good'], [late, 'late'], [bad, 'failed'], [none, 'not measured']];
      lines.push(`${name}: ${parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`).join(', ')}`);
      if (message !== null) lines.push(lane.messages[message]);
    }
    readout.textContent = lines.join('\n');
    readout.hidden = false;
    cursor.hidden = false;
    cursor.style.left = `${place(at)}%`;
  }

  let start = null;
  timeline.addEventListener('pointermove', (event) => { if (event.target.closest('svg')) tell(event); });
  timeline.addEventListener('pointerleave', () => { readout.hidden = true; cursor.hidden = true; start = null; });
  timeline.addEventListener('pointerdown', (event) => { if (event.target.closest('svg')) start = timeAt(event); });
  timeline.addEventListener('pointerup', (event) => {
    if (start === null) return;
    const end = timeAt(event);
    if (Math.abs(end - start) > (to - from) / 100) zoom(Math.min(start, end), Math.max(start, end));
    start = null;
  });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') { zoom(0, data.end); readout.hidden = true; } });
  zoom(0, data.end);

  // A link to a folded lane unfolds it.
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.closest('details');
    if (fold) fold.open = true;
  };
  addEventListener('hashchange', open);
  open();
})();
