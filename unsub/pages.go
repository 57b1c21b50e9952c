package unsub

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed html/*.html
var htmlFiles embed.FS

//go:embed style.css
var styleCSS []byte

// pages writes the pages in the language that the browser asks for.
type pages struct {
	brand     Brand
	purposes  PurposeNames
	templates map[string]*template.Template // by file name in html/, each within the layout
	matcher   language.Matcher
	locales   []*locale // in the order of the matcher's languages; the first is the fallback
}

// newPages panics where the files in the program are wrong, which its tests rule out.
func newPages(b Brand, purposes PurposeNames) *pages {
	locales, err := loadLocales(localeFiles)
	if err != nil {
		panic(err)
	}
	p := &pages{brand: b, purposes: purposes, locales: locales, templates: make(map[string]*template.Template)}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"say": say, "titled": titled,
	}).ParseFS(htmlFiles, "html/layout.html"))
	for _, name := range []string{"landing.html", "preferences.html", "confirmation.html", "signup.html", "message.html"} {
		p.templates[name] = template.Must(template.Must(layout.Clone()).ParseFS(htmlFiles, "html/"+name))
	}
	tags := make([]language.Tag, len(locales))
	for i, l := range locales {
		tags[i] = language.Make(l.Lang)
	}
	p.matcher = language.NewMatcher(tags)
	return p
}

// named is the locale of a language, such as fr or fr-CA; another gets the fallback's.
func (p *pages) named(lang string) *locale {
	_, i := language.MatchStrings(p.matcher, lang)
	return p.locales[i]
}

// locale is the language of an answer: the one that the page's links name, else the browser's.
func (p *pages) locale(r *http.Request) *locale {
	named := r.URL.Query().Get("lang")
	if i := slices.IndexFunc(p.locales, func(l *locale) bool { return l.Lang == named }); i >= 0 {
		return p.locales[i]
	}
	_, i := language.MatchStrings(p.matcher, r.Header.Get("Accept-Language"))
	return p.locales[i]
}

// frame is what every page has around its own.
type frame struct {
	*locale
	Text      text   // heading and first sentence
	Root      string // leads from the page to the handler's own paths
	Brand     Brand
	Languages []*locale
	purposes  PurposeNames
	Page      any // what its template shows
}

// Asker is who sends the mail, for a sentence.
func (f frame) Asker() string {
	if f.Brand.Name != "" {
		return f.Brand.Name
	}
	return f.Sender
}

// With is the labels with what was said, for the template of that.
func (f frame) With(s *said) struct {
	*locale
	Said *said
} {
	return struct {
		*locale
		Said *said
	}{f.locale, s}
}

// PurposeName is a purpose for people to read.
func (f frame) PurposeName(purpose string) string { return f.purposes.of(f.locale, purpose) }

// purposeName is PurposeName for a sentence of the page.
func (p *pages) purposeName(l *locale, purpose string) string { return p.purposes.of(l, purpose) }

// root leads from a page to what it loads, however deep a path that never was is: HTTPS servers in front may have put
// something before it.
func root(page *url.URL) string {
	return cmp.Or(strings.Repeat("../", max(strings.Count(page.EscapedPath(), "/")-1, 0)), "./")
}

// write answers with a page.
func (p *pages) write(w http.ResponseWriter, r *http.Request, status int, l *locale, name string, t text, page any) {
	var b bytes.Buffer
	f := frame{locale: l, Text: t, Root: root(r.URL), Brand: p.brand, Languages: p.locales, purposes: p.purposes, Page: page}
	if err := p.templates[name].Execute(&b, f); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", l.Lang)
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may have left
}

func (p *pages) style(w http.ResponseWriter, _ *http.Request) {
	serveAsset(w, "text/css; charset=utf-8", styleCSS)
}

func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	l := h.pages.locale(r)
	h.pages.write(w, r, http.StatusNotFound, l, "message.html", l.Pages.NotFound, nil)
}

// refuse answers a request that says nothing we know, or in no way that we do.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int) {
	l := h.pages.locale(r)
	h.pages.write(w, r, status, l, "message.html", l.Pages.Refused, nil)
}

func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	h.Log.Error("public request cannot be served", "error", err)
	w.Header().Set("Retry-After", "60")
	l := h.pages.locale(r)
	h.pages.write(w, r, http.StatusServiceUnavailable, l, "message.html", l.Pages.Failed, nil)
}
