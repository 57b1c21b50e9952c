// What the tests ask of the page that is shown. It runs in the page by the debugger, which works where scripts are off.
(() => {
  const channels = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };

  // over lays a colour that may be translucent on an opaque one.
  const over = (top, below) => {
    const mix = (k) => top[k] * top.a + below[k] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };

  const background = (element) => {
    if (!element) return { r: 255, g: 255, b: 255, a: 1 };
    const own = channels(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own : over(own, background(element.parentElement));
  };

  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = ({ r, g, b }) => {
    const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };

  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const texts = [...document.querySelectorAll("body *")].filter(
    (e) => shown(e) && [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()));
  const ratios = texts.map((e) => {
    const below = background(e);
    return {
      text: e.innerText.trim().slice(0, 60),
      ratio: contrast(over(channels(getComputedStyle(e).color), below), below),
    };
  });

  const named = (e) => (e.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean)
    .map((id) => document.getElementById(id)?.innerText || "").join(" ").trim() ||
    e.getAttribute("aria-label") || [...(e.labels || [])].map((l) => l.innerText).join(" ").trim() ||
    (/^(BUTTON|A|SUMMARY)$/.test(e.tagName) ? e.innerText.trim() : "");
  const controls = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")].filter(shown);
  const names = controls.filter((e) => e.tagName === "BUTTON").map(named);

  return {
    language: document.documentElement.lang,
    heading: document.querySelector("h1")?.innerText || "",
    texts: ratios.length,
    faint: ratios.filter((r) => r.ratio < 4.5).map((r) => `${r.ratio.toFixed(2)} ${r.text}`),
    unnamed: controls.filter((e) => !named(e)).map((e) => e.outerHTML),
    alike: names.filter((n, i) => names.indexOf(n) !== i),
    small: controls.filter((e) => e.tagName === "BUTTON" && e.getBoundingClientRect().height < 44).map(named),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    height: document.documentElement.scrollHeight,
    scripts: document.scripts.length,
    cookies: document.cookie,
    dark: matchMedia("(prefers-color-scheme: dark)").matches && luminance(background(document.body)) < 0.1,
  };
})()
