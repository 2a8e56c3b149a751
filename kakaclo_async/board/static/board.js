// Keys for those who do not use a mouse; everything works without this file.
document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (at instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName)) return;
  const wanted = { "/": "q", n: "next", p: "first" }[event.key];
  const found = wanted && document.getElementById(wanted);
  if (!found) return;
  event.preventDefault();
  if (wanted === "q") found.focus();
  else found.click();
});
