// Package html writes pages that show what ktrap found, to be looked at in a
// browser. A page is one file that needs no other: it asks the network for
// nothing, and its own policy forbids it to. Whatever a kernel calls its symbols
// is escaped where it stands.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"strings"
)

//go:embed base.css
var base string // the look of all pages

const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%</title>
<style>`

// write writes a page, whose style comes behind that of all. Only its own style and script are allowed, by their hash,
// so that nothing in a name could ever be run.
func write(w io.Writer, title, style, script string, body func(*markup)) error {
	style = base + style
	policy := []string{"default-src 'none'", "style-src " + hash(style), "script-src " + hash(script), "base-uri 'none'", "form-action 'none'"}
	var m markup
	m.put(head, strings.Join(policy, "; "), title)
	m.WriteString(style + "</style>\n</head>\n<body>\n")
	body(&m)
	m.WriteString("\n<script>" + script + "</script>\n</body>\n</html>\n")
	_, err := io.WriteString(w, m.String())
	return err
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
