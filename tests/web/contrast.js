() => {
  // Every text on the page whose contrast to what is behind it is below WCAG AA's 4.5.
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (text) => {
    const v = text.match(/[\d.]+/g).map(Number);
    return [v.slice(0, 3), v.length > 3 ? v[3] : 1];
  };
  const ground = (e) => {
    let layers = [];
    for (; e; e = e.parentElement) {
      const [colour, alpha] = parse(getComputedStyle(e).backgroundColor);
      if (alpha > 0) layers.push([colour, alpha]);
      if (alpha === 1) break;
    }
    return layers.reverse().reduce((under, [c, a]) => c.map((v, i) => a * v + (1 - a) * under[i]), [255, 255, 255]);
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || ['OPTION', 'SCRIPT'].includes(e.tagName)) continue;
    const a = light(parse(getComputedStyle(e).color)[0]), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName} ${e.className} "${e.textContent.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return bad;
}
