"use strict";
(() => {
	const one = (s, from) => (from || document).querySelector(s);
	const all = (s, from) => Array.from((from || document).querySelectorAll(s));
	const rows = all(".row"), canvas = one("#canvas"), listing = one("#listing"), bar = one("#detail-bar");
	const graphs = all(".graph"), search = one("#search"), found = one("#found"), main = one("main");
	const words = {};
	all(".key").forEach(k => { words[k.dataset.mark] = k.title; });
	let here = null, block = null, shown = graphs[0], scale = 1, hits = [], hit = -1;
	const trail = [];

	// The graph.
	function show(graph) {
		shown = graph;
		graphs.forEach(g => g.classList.toggle("shown", g === graph));
		const button = one("#detail");
		if (button) button.setAttribute("aria-pressed", graph.dataset.graph === "code");
		fit();
		if (block !== null) mark(block);
	}
	function zoom(to, x, y) {
		to = Math.min(Math.max(to, 0.05), 3);
		const box = shown.viewBox.baseVal, by = to / scale;
		x = x === undefined ? canvas.clientWidth / 2 : x;
		y = y === undefined ? canvas.clientHeight / 2 : y;
		const left = (canvas.scrollLeft + x) * by - x, top = (canvas.scrollTop + y) * by - y;
		scale = to;
		shown.setAttribute("width", box.width * to);
		shown.setAttribute("height", box.height * to);
		canvas.scrollTo(left, top);
	}
	// A graph that is much larger than the window is shown from its beginning, at a
	// size that can be read.
	function fit() {
		const box = shown.viewBox.baseVal;
		const whole = Math.min(canvas.clientWidth / box.width, canvas.clientHeight / box.height);
		zoom(Math.min(1.15, Math.max(whole, 0.85)));
		const entry = one('.box[data-block="0"]', shown).getBoundingClientRect(), frame = canvas.getBoundingClientRect();
		canvas.scrollTo(canvas.scrollLeft + entry.left + entry.width / 2 - frame.left - frame.width / 2, 0);
	}
	// What belongs to a block or a line is looked up once: a large function has tens
	// of thousands of elements.
	function index(selector, key) {
		const map = new Map();
		all(selector).forEach(e => {
			const k = e.dataset[key];
			if (map.has(k)) map.get(k).push(e); else map.set(k, [e]);
		});
		return k => map.get(String(k)) || [];
	}
	const ofBlock = index("[data-block]", "block"), ofLine = index(".c", "line");
	const leaving = index(".e", "from"), leading = index(".e", "to");
	let near = [];
	function mark(id) {
		all(".box.here, section.block.here").forEach(e => e.classList.remove("here"));
		ofBlock(id).forEach(e => e.classList.add("here"));
		graphs.forEach(g => g.classList.add("near"));
		near.forEach(e => e.classList.remove("near"));
		near = leaving(id).concat(leading(id));
		new Set(leaving(id).map(e => e.dataset.to)).forEach(to => near.push(...leading(to).filter(e => e.dataset.from === "-1")));
		near.forEach(e => e.classList.add("near"));
	}
	function reveal(id) {
		const box = ofBlock(id).find(e => shown.contains(e)), frame = canvas.getBoundingClientRect();
		if (!box || !frame.width) return;
		const at = box.getBoundingClientRect();
		if (at.left >= frame.left && at.right <= frame.right && at.top >= frame.top && at.bottom <= frame.bottom) return;
		canvas.scrollTo(canvas.scrollLeft + at.left + at.width / 2 - frame.left - frame.width / 2,
			canvas.scrollTop + at.top + at.height / 2 - frame.top - frame.height / 2);
	}

	// One instruction is in the light: hovered, clicked or walked to.
	function light(row) {
		if (row === here) return;
		if (here) here.classList.remove("here");
		if (here) ofLine(here.id.slice(1)).forEach(c => c.classList.remove("here"));
		here = row;
		row.classList.add("here");
		ofLine(row.id.slice(1)).forEach(c => c.classList.add("here"));
		const in_ = row.parentElement.dataset.block;
		if (in_ !== block) { block = in_; mark(in_); }
		tell(row);
	}
	function line(parts) {
		const p = document.createElement("p");
		parts.forEach(([name, text], i) => {
			if (i) p.append("  ·  ");
			if (!name) return p.append(text);
			const e = document.createElement(name);
			e.textContent = text;
			p.append(e);
		});
		return p;
	}
	function tell(row) {
		const d = row.dataset, first = [["strong", one(".o", row).textContent], ["", words[d.mark] || d.mark]];
		if (d.command) first.push(["code", d.command]);
		const second = [];
		if (d.why) second.push(["", d.why]);
		if (d.source) second.push(["", d.source]);
		second.push(["", d.addr], ["", d.bytes]);
		bar.replaceChildren(line(first), line(second));
	}
	function go(row, keep) {
		if (!row) return;
		if (keep && here) trail.push(here);
		light(row);
		row.scrollIntoView({ block: "nearest" });
		row.focus({ preventScroll: true });
		// What stands above was of a guessed height until now.
		requestAnimationFrame(() => row.scrollIntoView({ block: "nearest" }));
		reveal(block);
	}
	const step = by => go(here ? rows[rows.indexOf(here) + by] : rows[0]);
	const firstOf = id => one(`#b${id} .row`);
	const stepBlock = by => go(here ? firstOf(Number(block) + by) : rows[0]);
	function follow() {
		const link = here && one("a.to", here);
		if (link) go(one(link.getAttribute("href")), true);
	}

	listing.addEventListener("mouseover", e => { const r = e.target.closest(".row"); if (r) light(r); });
	listing.addEventListener("click", e => {
		const link = e.target.closest("a.to"), row = e.target.closest(".row");
		if (link) { e.preventDefault(); light(row); follow(); } else if (row) go(row);
	});
	let drag = null, moved = false;
	canvas.addEventListener("pointerdown", e => { drag = [e.clientX, e.clientY, canvas.scrollLeft, canvas.scrollTop]; moved = false; });
	addEventListener("pointermove", e => {
		if (!drag) return;
		const x = e.clientX - drag[0], y = e.clientY - drag[1];
		if (Math.abs(x) + Math.abs(y) > 4) { moved = true; canvas.classList.add("dragged"); }
		if (moved) canvas.scrollTo(drag[2] - x, drag[3] - y);
	});
	addEventListener("pointerup", () => { drag = null; canvas.classList.remove("dragged"); });
	canvas.addEventListener("click", e => {
		const box = e.target.closest(".box");
		if (!box || moved) return;
		const cell = e.target.closest(".c");
		go(cell ? one("#i" + cell.dataset.line) : firstOf(box.dataset.block), true);
	});
	canvas.addEventListener("mouseover", e => {
		const box = e.target.closest(".box"), cell = e.target.closest(".c");
		if (cell) light(one("#i" + cell.dataset.line));
		else if (box && box.dataset.block !== block) light(firstOf(box.dataset.block));
	});
	canvas.addEventListener("wheel", e => {
		if (!e.ctrlKey && !e.metaKey) return;
		e.preventDefault();
		const frame = canvas.getBoundingClientRect();
		zoom(scale * Math.exp(-e.deltaY / 300), e.clientX - frame.left, e.clientY - frame.top);
	}, { passive: false });

	function fold() {
		const folded = main.classList.toggle("folded");
		one("#hide").setAttribute("aria-expanded", !folded);
		one("#hide").textContent = folded ? "Graph" : "Fold";
	}
	const detail = () => graphs.length > 1 && show(shown === graphs[0] ? graphs[1] : graphs[0]);
	one("#smaller").onclick = () => zoom(scale / 1.25);
	one("#larger").onclick = () => zoom(scale * 1.25);
	one("#fit").onclick = fit;
	one("#hide").onclick = fold;
	if (one("#detail")) one("#detail").onclick = detail;

	// A mark of the legend dims all that don't have it.
	all(".key").forEach(key => key.addEventListener("click", () => {
		const on = key.getAttribute("aria-pressed") !== "true";
		all(".key").forEach(k => k.setAttribute("aria-pressed", on && k === key));
		rows.forEach(r => r.classList.toggle("out", on && r.dataset.mark !== key.dataset.mark));
		all(".c").forEach(c => c.classList.toggle("out", on && !c.classList.contains(key.dataset.mark)));
	}));

	function look() {
		const text = search.value.trim().toLowerCase();
		hits.forEach(r => r.classList.remove("hit"));
		hits = text ? rows.filter(r => r.textContent.toLowerCase().includes(text) || r.dataset.addr.includes(text)) : [];
		hits.forEach(r => r.classList.add("hit"));
		hit = -1;
		found.value = text ? (hits.length === 1 ? "1 found" : hits.length + " found") : "";
		if (hits.length) { hits[0].scrollIntoView({ block: "center" }); light(hits[0]); reveal(block); hit = 0; }
	}
	search.addEventListener("input", look);
	search.addEventListener("keydown", e => {
		if (e.key === "Escape") { search.value = ""; look(); search.blur(); }
		if (e.key !== "Enter" || !hits.length) return;
		hit = (hit + (e.shiftKey ? hits.length - 1 : 1)) % hits.length;
		hits[hit].scrollIntoView({ block: "center" });
		light(hits[hit]);
		reveal(block);
		found.value = `${hit + 1} of ${hits.length}`;
	});
	const keys = {
		j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
		n: () => stepBlock(1), p: () => stepBlock(-1), Enter: follow, Backspace: () => go(trail.pop()),
		"/": () => search.focus(), f: fold, d: detail, "0": fit, "+": () => zoom(scale * 1.25), "-": () => zoom(scale / 1.25),
	};
	document.addEventListener("keydown", e => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target === search) return;
		if (e.key === "Enter" && e.target !== document && e.target.closest("button")) return;
		const act = keys[e.key];
		if (act) { e.preventDefault(); act(); }
	});

	show(shown);
	addEventListener("hashchange", () => { const r = location.hash && one(location.hash); if (r && r.matches(".row")) go(r); });
	if (/^#[bi]\d+$/.test(location.hash)) { const t = one(location.hash); if (t) go(t.matches(".row") ? t : one(".row", t)); }
	addEventListener("beforeprint", () => canvas.scrollTo(0, 0));
})();
