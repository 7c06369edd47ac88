// Package html writes pages that show what ktrap found, to be looked at in a
// browser. A page is one file that needs no other: it asks the network for
// nothing, and its own policy forbids it to. Whatever a kernel calls its symbols
// is escaped where it stands.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
)

//go:embed page.css
var style string

// page is what all pages have: a title, their look, a policy.
type page struct {
	Title  string
	Style  template.CSS
	Script template.JS
	Policy string
	Body   any
}

const chrome = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{.Policy}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
{{template "body" .Body}}
<script>{{.Script}}</script>
</body>
</html>
`

// parse makes a page's template: the chrome around a body.
func parse(body string, functions template.FuncMap) *template.Template {
	t := template.Must(template.New("page").Funcs(functions).Parse(chrome))
	return template.Must(t.New("body").Parse(body))
}

// write writes a page. Only its own style and script are allowed, by their hash,
// so that nothing in a name could ever be run.
func write(w io.Writer, t *template.Template, title, script string, body any) error {
	return t.ExecuteTemplate(w, "page", page{
		Title:  title,
		Style:  template.CSS(style),
		Script: template.JS(script),
		Policy: strings.Join([]string{"default-src 'none'", "style-src " + hash(style), "script-src " + hash(script), "base-uri 'none'", "form-action 'none'"}, "; "),
		Body:   body,
	})
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
