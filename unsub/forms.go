package unsub

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds what a POST may send: a one-click is 26 octets, or some hundred as multipart.
const maxBody = 64 << 10

// form reads the fields of a POST. The query is no part of them: only a body is an act. Where it is false the request
// is answered.
func form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	fields, err := limitedFields(w, r)
	if err != nil {
		refuse(w, err)
	}
	return fields, err == nil
}

// limitedFields is bodyFields of a body of at most maxBody.
func limitedFields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return bodyFields(r)
}

func tooLarge(err error) bool {
	_, large := errors.AsType[*http.MaxBytesError](err)
	return large
}

// bodyFields reads a form of either encoding; a body of another type or none is read as urlencoded.
func bodyFields(r *http.Request) (url.Values, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		if err := r.ParseMultipartForm(maxBody); err != nil {
			return nil, err
		}
		return r.MultipartForm.Value, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fields, _ := url.ParseQuery(string(body)) // keeps what is well formed
	return fields, nil
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

// refuse answers a POST that says nothing we know.
func refuse(w http.ResponseWriter, err error) {
	if tooLarge(err) {
		http.Error(w, "The body is too large for such a request.", http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, "Nothing was changed: send List-Unsubscribe=One-Click as a form, or open this address in a browser.",
		http.StatusBadRequest)
}
