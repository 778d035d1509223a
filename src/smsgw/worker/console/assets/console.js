// The console works without this. With it: times in the viewer's zone, pages that keep themselves fresh, copying.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const shown = new Intl.DateTimeFormat("sv-SE", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  timeZone: zone,
});

const clock = new Intl.DateTimeFormat("sv-SE", { hour: "2-digit", minute: "2-digit", timeZone: zone });

function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.title = element.dateTime;
    element.textContent = shown.format(at);
  }
  // Below the axis of a chart.
  for (const element of root.querySelectorAll("text[data-time]")) {
    element.textContent = clock.format(new Date(element.dataset.time));
  }
}

// A part of a page that asks for itself again: <section data-live="/console/…" data-every="5">.
function keepFresh(section) {
  const seconds = Math.max(2, Number(section.dataset.every) || 5);
  let failures = 0;
  async function refresh() {
    if (!document.hidden && !section.contains(document.activeElement)) {
      try {
        const answer = await fetch(section.dataset.live, { credentials: "same-origin", redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        section.innerHTML = await answer.text();
        section.classList.remove("stale");
        failures = 0;
        localTimes(section);
      } catch {
        failures += 1;
        section.classList.add("stale");
      }
    }
    window.setTimeout(refresh, Math.min(60, seconds * 2 ** failures) * 1000);
  }
  window.setTimeout(refresh, seconds * 1000);
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  for (const element of document.querySelectorAll("[data-zone-name]")) element.textContent = `in ${zone}`;
  // What is typed as a local time is told with its zone.
  for (const field of document.querySelectorAll("input[data-zone]")) field.value = zone;
  for (const section of document.querySelectorAll("[data-live]")) keepFresh(section);
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    });
  }
});
