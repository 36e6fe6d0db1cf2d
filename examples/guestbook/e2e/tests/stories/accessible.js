// What is wrong with the page, as a list. Small, and no replacement for a person; it catches what was forgotten.
const wrong = [];
const one = (selector) => {
  const found = document.querySelectorAll(selector).length;
  if (found !== 1) wrong.push(`${found} of ${selector}`);
};
one("h1");
one("main");
one("html[lang]");
one("title");

let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) wrong.push(`${heading.tagName} after H${level}`);
  level = next;
}
for (const field of document.querySelectorAll("input, textarea")) {
  if (!field.labels.length) wrong.push(`${field.name} has no label`);
}
for (const element of document.querySelectorAll("[aria-labelledby]")) {
  if (!document.getElementById(element.getAttribute("aria-labelledby"))) wrong.push(`${element.tagName} has a name that is not there`);
}
for (const button of document.querySelectorAll("button, a")) {
  const { height, width } = button.getBoundingClientRect();
  if (height < 24 || width < 24) wrong.push(`${button.innerText} is too small to hit: ${width} x ${height}`);
}

// Contrast as WCAG 2 has it: at least 4.5 for text, 3 for the edges of fields.
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = (colour) =>
  channels(colour).slice(0, 3).reduce((sum, channel, index) => {
    const c = channel / 255;
    const linear = c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return sum + linear * [0.2126, 0.7152, 0.0722][index];
  }, 0);
const contrast = (one, other) => {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (channels(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
for (const element of document.querySelectorAll("body *")) {
  const style = getComputedStyle(element);
  const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (says && contrast(style.color, ground(element)) < 4.5) wrong.push(`${element.tagName} ${element.innerText} is too faint`);
  if (element.matches("input, textarea") && contrast(style.borderTopColor, ground(element.parentElement)) < 3) {
    wrong.push(`the edge of ${element.name} is too faint`);
  }
}
return wrong;
