"use strict";
// Keys press buttons, and the time that the page was in view goes with the answer. Everything works without.
(() => {
  const form = document.getElementById("answer");
  let shown = document.visibilityState === "visible" ? performance.now() : null;
  let seconds = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      shown = performance.now();
    } else if (shown !== null) {
      seconds += (performance.now() - shown) / 1000;
      shown = null;
    }
  });
  let sent = false;
  document.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault(); // a double click is one answer
      return;
    }
    sent = true;
    if (event.target === form) {
      const now = shown === null ? 0 : (performance.now() - shown) / 1000;
      form.elements.seconds.value = (seconds + now).toFixed(1);
    }
  });
  window.addEventListener("pageshow", () => { sent = false; });
  // WCAG 2.1.4: who speaks or shakes can switch single keys off; the browser remembers, if it may
  let byKey = true;
  try { byKey = localStorage.getItem("keys") !== "off"; } catch { /* it may not: keys stay on */ }
  const tick = document.getElementById("keys-on");
  document.documentElement.classList.toggle("keys-off", !byKey && !tick);
  if (tick) {
    tick.checked = byKey;
    tick.addEventListener("change", () => {
      byKey = tick.checked;
      try { localStorage.setItem("keys", byKey ? "on" : "off"); } catch { /* holds for this page alone */ }
    });
  }
  const comment = document.querySelector("details.comment");
  // who opens it wants to write; in a page from the history it may be open already
  comment?.querySelector("summary").addEventListener("click", () => {
    if (!comment.open) requestAnimationFrame(() => document.getElementById("comment").focus());
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.id === "comment") {
      comment.querySelector("summary").focus();
      return;
    }
    if (!byKey) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
    if (event.target.closest("textarea, input, select")) return;
    const key = event.key.toLowerCase();
    const find = (name) => [...document.querySelectorAll("[data-key]")].find((b) => b.dataset.key === name);
    // 0 stands for "equal" where no score is 0
    const button = find(key) || (key === "0" ? find("=") : undefined);
    if (button) {
      event.preventDefault();
      button.click();
    }
  });
})();
