"use strict";
const all = (selector, of = document) => [...of.querySelectorAll(selector)];
const show = (elements, chosen) => elements.forEach(e => e.classList.toggle("shown", chosen(e)));
let handler = "0", kept = "";

// the same pass stays chosen in each handler
function choosePass(pass) {
	for (const pane of all(".passes")) {
		show(all(".text", pane), e => e.dataset.pass === pass);
		all("button", pane).forEach(b => b.setAttribute("aria-selected", b.dataset.pass === pass));
	}
}

function chooseHandler(id) {
	handler = id;
	show(all(".pane[data-of]"), e => e.dataset.of === id);
	all(".handlers button").forEach(b => b.setAttribute("aria-pressed", b.dataset.handler === id));
}

function light(line, name) {
	for (const p of all("p." + name)) p.classList.remove(name);
	if (line && line !== "0") for (const p of all(`p[data-line="${line}"]`)) p.classList.add(name);
}

// brings what a line became into view, in the panes beside the one it stands in
function reveal(line, from) {
	for (const text of all(".text")) {
		if (text === from || !text.offsetParent) continue;
		text.querySelector(`p[data-line="${line}"]`)?.scrollIntoView({ block: "nearest" });
	}
}

document.addEventListener("pointerover", e => light(e.target.closest?.("p[data-line]")?.dataset.line, "lit"));
document.addEventListener("click", e => {
	const button = e.target.closest("button"), p = e.target.closest("p[data-line]");
	if (button?.dataset.pass) choosePass(button.dataset.pass);
	else if (button?.dataset.handler) chooseHandler(button.dataset.handler);
	else if (p) {
		kept = kept === p.dataset.line ? "" : p.dataset.line;
		light(kept, "kept");
		if (kept) reveal(kept, p.parentElement);
	}
});
document.addEventListener("keydown", e => {
	const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
	if (!step) return;
	const tabs = all(`.passes[data-of="${handler}"] button`);
	const at = tabs.findIndex(b => b.getAttribute("aria-selected") === "true") + step;
	if (tabs[at]) choosePass(tabs[at].dataset.pass);
});
chooseHandler("0");
choosePass("0");
