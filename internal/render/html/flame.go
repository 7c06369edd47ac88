package html

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"ktrap"
	"ktrap/internal/stacks"
)

//go:embed flame.css
var flameStyle string

//go:embed flame.js
var flameScript string

// WriteFlame writes stacks as a flame graph: each function as wide as the part of
// the hits that came by it, above those that called it.
func WriteFlame(w io.Writer, title string, samples []ktrap.StackSample) error {
	// What encoding/json writes has no < that could end the element that it is in.
	tree, err := json.Marshal(stacks.Tree(samples))
	if err != nil {
		return fmt.Errorf("flame graph of %s: %w", title, err)
	}
	return write(w, title+" · stacks", flameStyle, flameScript, func(m *markup) {
		m.put(`<header><div class="head"><h1>%</h1><p class="facts"><span>%</span><span>%</span></p></div>
<div class="find"><label for="search">Search</label><input id="search" type="search" placeholder="function" autocomplete="off" spellcheck="false" aria-describedby="found"><output id="found" aria-live="polite"></output></div></header>
<main id="flame" aria-label="Flame graph"></main>
<footer><p id="told" aria-live="polite">Click a function to zoom in; <kbd>Esc</kbd> zooms out, <kbd>/</kbd> searches.</p></footer>
<script type="application/json" id="tree">`, title, word(int(stacks.Total(samples)), "hit"), word(len(samples), "stack"))
		m.Write(tree)
		m.WriteString("</script>")
	})
}
