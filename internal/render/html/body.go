package html

import (
	"fmt"
	"path"
	"strings"
)

func (d *disassembly) body(m *markup) {
	m.WriteString("<header>\n<div class=\"head\">\n")
	d.heading(m)
	m.WriteString(`</div>
<div class="find"><label for="search">Search</label><input id="search" type="search" placeholder="instruction, symbol, +0x…" autocomplete="off" spellcheck="false" aria-describedby="found"><output id="found" aria-live="polite"></output></div>
</header>
`)
	if d.Covered != nil {
		d.coverage(m)
	} else {
		d.legend(m)
	}
	m.put("<main>\n<section id=\"flow\" aria-label=\"Control flow\">\n<div id=\"canvas\" tabindex=\"0\" aria-label=\"Graph of %\">\n", word(len(d.Shown), "block"))
	for i := range d.Graphs {
		d.Graphs[i].svg(m)
	}
	m.WriteString("</div>\n")
	d.tools(m)
	m.WriteString("</section>\n<section id=\"listing\" aria-label=\"Instructions\">\n")
	for i := range d.Shown {
		d.Shown[i].section(m)
	}
	m.WriteString(`</section>
</main>
<footer id="detail-bar" aria-live="polite"><p class="hint">Point at an instruction, or walk with <kbd>j</kbd> <kbd>k</kbd>, by blocks with <kbd>n</kbd> <kbd>p</kbd>; <kbd>Enter</kbd> follows a jump, <kbd>Backspace</kbd> goes back; <kbd>/</kbd> searches, <kbd>f</kbd> folds the graph.</p></footer>`)
}

func (d *disassembly) heading(m *markup) {
	name := d.Symbol
	if name == "" {
		name = d.Place
	}
	m.put("<h1>%", name)
	m.putIf(" <small>[%]</small>", d.Module)
	m.put(`</h1>
<p class="facts"><span>%</span><span>% bytes</span><span>%</span><span>%</span><span>%</span><span>%</span><span title="%">%</span>`,
		d.Addr, d.Size, word(d.Count, "instruction"), word(len(d.Shown), "block"), d.Kernel, d.Arch, d.Source, path.Base(d.Source))
	if d.BuildID != "" {
		m.put(`<span title="build-id %">build %</span>`, d.BuildID, fmt.Sprintf("%.12s", d.BuildID))
	}
	m.WriteString("</p>\n")
}

func (d *disassembly) legend(m *markup) {
	m.WriteString(`<section class="probes" aria-label="How probes would work here">
<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">`)
	for _, l := range d.Legend {
		m.put(`<rect class="%" x="%" width="%" height="4"/>`, l.Mark, l.X, l.Width)
	}
	m.WriteString("</svg>\n<ul class=\"legend\">")
	for _, l := range d.Legend {
		m.put(`<li><button type="button" class="key" data-mark="%" aria-pressed="false" title="%"><i class="m %">%</i>% <b>%</b></button></li>`,
			l.Mark, l.Words, l.Mark, l.Letter, l.Short, l.N)
	}
	m.WriteString("</ul>\n</section>\n")
}

func (d *disassembly) tools(m *markup) {
	m.WriteString(`<div class="under"><p class="key-edges" aria-hidden="true"><span class="taken">taken</span><span class="not-taken">not taken</span><span class="next">goes on</span><span class="back">back: a loop</span></p>
<div class="tools" role="toolbar" aria-label="Graph">`)
	if len(d.Graphs) > 1 {
		m.WriteString(`<button type="button" id="detail" aria-pressed="false" title="d">Code in blocks</button>`)
	}
	m.WriteString(`<button type="button" id="smaller" title="Smaller (-)" aria-label="Smaller">−</button><button type="button" id="fit" title="Fit (0)">Fit</button><button type="button" id="larger" title="Larger (+)" aria-label="Larger">+</button><button type="button" id="hide" title="Fold (f)" aria-expanded="true">Fold</button></div></div>
`)
}

func (g *drawn) svg(m *markup) {
	m.put(`<svg class="graph" data-graph="%" viewBox="0 0 % %" width="%" height="%" role="group" aria-label="%">
<defs><marker id="tip-%" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 .8 7.5 4 0 7.2z" fill="context-stroke"/></marker></defs>
`, g.Name, g.Width, g.Height, g.Width, g.Height, g.Name, g.Name)
	for _, l := range g.Lines {
		m.put(`<path class="e %" d="%" data-from="%" data-to="%"`, l.Class, l.D, l.From, l.To)
		if l.Tip {
			m.put(` marker-end="url(#tip-%)"`, g.Name)
		}
		m.WriteString("/>\n")
	}
	for i := range g.Boxes {
		g.Boxes[i].group(m)
	}
	m.WriteString("</svg>\n")
}

func (b *drawnBox) group(m *markup) {
	class := ""
	if b.Unreached {
		class = " unreached"
	}
	if b.Heat != "" {
		class += " " + b.Heat
	}
	m.put(`<g class="box loop%%" data-block="%" transform="translate(% %)" role="button" tabindex="-1" aria-label="%"><title>%</title><rect class="frame" width="%" height="%" rx="6"/>`,
		b.Depth, class, b.ID, b.X, b.Y, b.Label, b.Label, b.Width, b.Height)
	for _, c := range b.Cells {
		m.put(`<rect class="c %" x="%" y="%" width="9" height="9" rx="2" data-line="%"/>`, c.Class, c.X, c.Y, c.ID)
	}
	for _, t := range b.Texts {
		m.put(`<text class="%" x="%" y="%">%</text>`, t.Class, t.X, t.Y, t.Text)
	}
	m.WriteString("</g>\n")
}

func (b *block) section(m *markup) {
	m.putIf("<p class=\"func\">%</p>\n", b.Head)
	m.put(`<section class="%" id="b%" data-block="%"><h2><a href="#b%">%</a>`, strings.TrimSpace("block "+b.Heat), b.ID, b.ID, b.ID, b.Name)
	m.putIf(`<span class="n">%</span>`, b.Ran)
	switch {
	case b.Loops > 1:
		m.put(`<span class="loop">% loops deep</span>`, b.Loops)
	case b.Loops == 1:
		m.WriteString(`<span class="loop">in a loop</span>`)
	}
	if b.Unreached {
		m.WriteString(`<span class="loop">no way leads here</span>`)
	}
	m.WriteString("</h2>\n")
	for i := range b.Lines {
		b.Lines[i].line(m)
	}
	m.putIf(`<p class="ends">%</p>`, b.Ends)
	for _, way := range b.Ways {
		m.put(`<p class="ways">%</p>`, way)
	}
	m.putIf(`<p class="doubt">%</p>`, b.Notes)
	m.WriteString("</section>\n")
}

func (r *row) line(m *markup) {
	m.putIf("<p class=\"source\">%</p>\n", r.NewSource)
	m.put(`<div class="row" id="i%" data-mark="%" data-addr="%" data-bytes="%"`, r.ID, r.Mark, r.Addr, r.Long)
	m.putIf(` data-why="%"`, r.Why)
	m.putIf(` data-source="%"`, r.Source)
	m.putIf(` data-command="%"`, r.Command)
	m.put(` tabindex="-1"><i class="m %">%</i><span class="o">%</span><span class="x">%</span><code><b>%</b> %`, r.Mark, r.Letter, r.Offset, r.Bytes, r.Op, r.Args)
	switch {
	case r.Target == "":
	case r.Link >= 0:
		m.put(`<a class="to" href="#i%" title="%">%</a>`, r.Link, r.Address, r.Target)
	default:
		m.put(`<span class="to" title="%">%</span>`, r.Address, r.Target)
	}
	for _, p := range r.Patches {
		m.put("<em>%</em>", p)
	}
	m.WriteString("</code></div>\n")
}
