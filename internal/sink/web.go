package sink

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"
)

//go:embed web
var web embed.FS

// policy forbids everything but our own style sheet: what is shown comes from anybody.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler is the page: the messages newest first, one message, its raw octets, and all of them as JSON. It only reads.
func (s *Sink) Handler() http.Handler {
	pages := template.Must(template.New("").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Format("2006-01-02 15:04:05") },
		"size":  size,
	}).ParseFS(web, "web/*.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		s.render(w, pages, "index.html", s.newestFirst())
	})
	mux.HandleFunc("GET /messages.json", s.serveJSON)
	mux.HandleFunc("GET /messages/{id}", s.one(func(w http.ResponseWriter, m Message) {
		s.render(w, pages, "message.html", full(m))
	}))
	mux.HandleFunc("GET /messages/{id}/raw", s.one(serveRaw))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, web, "web/style.css")
	})
	return guarded(mux)
}

// guarded sets the headers that keep a captured message from acting in the reader's browser.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *Sink) newestFirst() []view {
	held := s.Messages()
	slices.Reverse(held)
	views := make([]view, len(held))
	for i, m := range held {
		views[i] = summary(m)
	}
	return views
}

// render builds the whole page first, so that an error is a 500 and not half a page.
func (s *Sink) render(w http.ResponseWriter, pages *template.Template, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		s.opts.Log.Error("page", "name", name, "err", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

func (s *Sink) serveJSON(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.newestFirst())
}

// one finds the message that the path names; 404 where it is not held, or no longer.
func (s *Sink) one(show func(http.ResponseWriter, Message)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		m, ok := s.box.get(id)
		if err != nil || !ok {
			http.Error(w, "no such message; only the newest are kept", http.StatusNotFound)
			return
		}
		show(w, m)
	}
}

// serveRaw hands the octets out as plain text: a browser shows them and runs nothing.
func serveRaw(w http.ResponseWriter, m Message) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(m.Data)
}

func rawPath(id int) string { return fmt.Sprintf("/messages/%d/raw", id) }

// size in the unit a reader expects.
func size(octets int) string {
	const kib = 1 << 10
	switch {
	case octets < kib:
		return fmt.Sprintf("%d B", octets)
	case octets < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(octets)/kib)
	}
	return fmt.Sprintf("%.1f MiB", float64(octets)/(kib*kib))
}
