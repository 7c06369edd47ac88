"use strict";
const row = 20, least = 0.6; // pixels: height of a function, and the width below which it is not drawn
const flame = document.getElementById("flame"), told = document.getElementById("told");
const search = document.getElementById("search"), found = document.getElementById("found");
const root = JSON.parse(document.getElementById("tree").textContent);
const hint = told.innerHTML;
let zoomed = root, wanted = null;

(function link(node, above) {
	node.above = above;
	for (const k of node.k ?? []) link(k, node);
})(root, null);

const share = n => `${n.c} of ${root.c} hits, ${(100 * n.c / root.c).toFixed(1)}%`;

// the same name has the same colour in every graph
function colour(name) {
	let h = 0;
	for (let i = 0; i < name.length; i++) h = (h * 31 + name.charCodeAt(i)) >>> 0;
	const dark = matchMedia("(prefers-color-scheme: dark)").matches;
	return `hsl(${10 + h % 45} ${55 + h % 25}% ${dark ? 30 + h % 9 : 72 + h % 10}%)`;
}

function put(node, x, width, depth, above) {
	const b = document.createElement("button");
	b.type = "button";
	b.textContent = width > 24 ? node.n : "";
	b.setAttribute("aria-label", `${node.n}: ${share(node)}`);
	b.style.cssText = `left:${x}px;width:${width}px;top:${depth * row}px;background:${colour(node.n)}`;
	b.classList.toggle("above", above);
	b.classList.toggle("hit", matches(node));
	b.node = node;
	flame.append(b);
}

const matches = node => wanted !== null && node !== root && node.n.toLowerCase().includes(wanted);

function draw() {
	flame.replaceChildren();
	const whole = flame.clientWidth, path = [];
	for (let n = zoomed.above; n; n = n.above) path.unshift(n);
	path.forEach((n, depth) => put(n, 0, whole, depth, true));
	const todo = [[zoomed, 0, path.length]];
	while (todo.length) {
		const [node, x, depth] = todo.pop();
		const width = whole * node.c / zoomed.c;
		if (width < least) continue;
		put(node, x, width, depth, false);
		let at = x;
		for (const k of node.k ?? []) {
			todo.push([k, at, depth + 1]);
			at += whole * k.c / zoomed.c;
		}
	}
}

// hits under a function that matches count once, however often it stands in a stack
function count(node) {
	if (matches(node)) return node.c;
	return (node.k ?? []).reduce((n, k) => n + count(k), 0);
}

function zoom(node) {
	zoomed = node;
	draw();
	flame.scrollTop = 0;
}

function look() {
	wanted = search.value ? search.value.toLowerCase() : null;
	const n = wanted === null ? 0 : count(root);
	found.value = wanted === null ? "" : `${(100 * n / root.c).toFixed(1)}% of hits`;
	draw();
}

function tell(node) {
	if (!node) return;
	const name = document.createElement("strong");
	name.textContent = node.n;
	told.replaceChildren(name, ` ${share(node)}`);
}

flame.addEventListener("click", e => e.target.node && zoom(e.target.node));
flame.addEventListener("pointerover", e => tell(e.target.node));
flame.addEventListener("pointerleave", () => { told.innerHTML = hint; });
flame.addEventListener("focusin", e => tell(e.target.node));
search.addEventListener("input", look);
document.addEventListener("keydown", e => {
	if (e.key === "Escape") {
		if (document.activeElement === search) search.blur();
		else zoom(zoomed.above ?? root);
	} else if (e.key === "/" && document.activeElement !== search) {
		e.preventDefault();
		search.focus();
	}
});
addEventListener("resize", draw);
draw();
