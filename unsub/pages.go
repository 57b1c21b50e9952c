package unsub

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"golang.org/x/text/language"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS []byte

// view is what a page shows besides its text.
type view struct {
	Text       textID
	Address    string // masked; empty: not shown
	Stream     string
	Everything bool // all marketing instead of one stream
}

// pages writes the pages in the language that the browser asks for.
type pages struct {
	page    *template.Template
	matcher language.Matcher
	locales []locale // in the order of the matcher's languages; the first is the fallback
}

func newPages() *pages {
	p := &pages{page: template.Must(template.New("page").Parse(pageHTML)), locales: []locale{english(), french()}}
	tags := make([]language.Tag, len(p.locales))
	for i, c := range p.locales {
		tags[i] = language.Make(c.Lang)
	}
	p.matcher = language.NewMatcher(tags)
	return p
}

// write answers with the page of v.
func (p *pages) write(w http.ResponseWriter, r *http.Request, status int, v view) {
	_, i := language.MatchStrings(p.matcher, r.Header.Get("Accept-Language"))
	c := p.locales[i]
	if v.Everything {
		v.Stream = c.Everything
	}
	var b bytes.Buffer
	err := p.page.Execute(&b, struct {
		locale
		view
		Is  text
		Ask bool
	}{c, v, c.texts[v.Text], v.Text == textAsk})
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", c.Lang)
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may have left
}

func (p *pages) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(styleCSS)
}
