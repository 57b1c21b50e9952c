package unsub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A multipart body is as often wrong as it is right: what it says counts all the same.
func TestAMultipartOneClickCountsHoweverItIsWrapped(t *testing.T) {
	t.Parallel()
	const declared = "multipart/form-data; boundary=x"
	const field = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click"
	const other = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n"
	const file = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nOne-Click"
	for name, c := range map[string]struct{ contentType, body string }{
		"as it should be":                {declared, field + "\r\n--x--\r\n"},
		"without a final boundary":       {declared, field + "\r\n"},
		"without a line end":             {declared, field},
		"with a boundary cut short":      {declared, field + "\r\n--"},
		"with bare line feeds":           {declared, strings.ReplaceAll(field+"\r\n--x--\r\n", "\r", "")},
		"with a file name on the part":   {declared, file + "\r\n--x--\r\n"},
		"with other fields before":       {declared, other + field + "\r\n--x--\r\n"},
		"without a boundary parameter":   {"multipart/form-data", field + "\r\n--x--\r\n"},
		"with another boundary":          {"multipart/form-data; boundary=y", field + "\r\n--x--\r\n"},
		"with a broken parameter":        {"multipart/form-data; boundary=", field + "\r\n--x--\r\n"},
		"with an empty line before":      {declared, "\r\n" + field + "\r\n--x--\r\n"},
		"said to be multipart, and none": {declared, oneClick},
		"without a type":                 {"", field + "\r\n--x--\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if w := s.do("POST", s.path("weekly"), c.contentType, c.body); w.Code != http.StatusOK {
				t.Errorf("answer %d, want 200", w.Code)
			}
			s.wantWithdrawn(t, true)
		})
	}
}

func TestErrorsArePagesInTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		en, fr             string
	}{
		{"GET", "/u/x", "", 404, "This link does not work", "Ce lien ne fonctionne pas"},
		{"GET", "/", "", 404, "This link does not work", "Ce lien ne fonctionne pas"},
		{"POST", "/style.css", "", 404, "This link does not work", "Ce lien ne fonctionne pas"},
		{"POST", s.path("weekly"), "", 400, "Nothing was changed", "Rien n’a été modifié"},
		{"POST", s.preferences(), "", 400, "Nothing was changed", "Rien n’a été modifié"},
		{"POST", s.path("weekly"), strings.Repeat("x", 1<<20), 413, "Nothing was changed", "Rien n’a été modifié"},
		{"PUT", s.path("weekly"), "", 405, "Nothing was changed", "Rien n’a été modifié"},
		{"PUT", "/u/x", "", 405, "Nothing was changed", "Rien n’a été modifié"},
	} {
		t.Run(fmt.Sprint(c.method, " ", c.status, " ", len(c.path)), func(t *testing.T) {
			has(t, s.do(c.method, c.path, urlencoded, c.body), c.status, "<h1>"+c.en, `lang="en"`, "<main>")
			has(t, s.do(c.method, c.path, urlencoded, c.body, "Accept-Language", "fr"), c.status, "<h1>"+c.fr, `lang="fr"`)
		})
	}
}

// A page is styled wherever it stands, also below a path that an HTTPS server has put before it.
func TestEveryPageFindsItsStyle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, want := range map[string]string{
		"/": "./", "/x": "./", "/u/x": "../", "/u/x/": "../../", "/a/b/c": "../../", "/u/a%2Fb": "../", s.path("weekly"): "../",
	} {
		w := s.do("GET", path, "", "")
		has(t, w, w.Code, `href="`+want+`style.css"`, `href="`+want+`brand.css"`)
	}
}
