package unsub

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds what a POST may send: a one-click is 26 octets, or some hundred as multipart.
const maxBody = 64 << 10

// wholeForm reads the fields of a form that was sent to the end. Unlike a no by a link, half an answer is none.
func wholeForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	return fieldsOf(r.Header.Get("Content-Type"), body), nil
}

// unread is the status of a form that could not be read to the end.
func unread(err error) int {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// isOneClick looks for the field of RFC 8058 section 3.2; others beside it are ignored.
func isOneClick(fields url.Values) bool {
	for _, v := range fields["List-Unsubscribe"] {
		if strings.EqualFold(strings.TrimSpace(v), "One-Click") {
			return true
		}
	}
	return false
}

// refuse answers a machine's POST that says nothing we know.
func refuse(w http.ResponseWriter) {
	http.Error(w, "Nothing was changed: send List-Unsubscribe=One-Click as a form, or open this address in a browser.",
		http.StatusBadRequest)
}
