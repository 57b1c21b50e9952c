package unsub

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// maxParts bounds the fields that are read of a multipart body.
const maxParts = 64

// fields reads the fields of an act. The query is no part of them: only a body is an act. A no must not fail over its
// envelope, so a body is read as far as it can be; what it has to say stays as strict as ever. Where it is false the
// request is answered.
func (h *handler) fields(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		h.refuse(w, r, http.StatusRequestEntityTooLarge)
		return nil, false
	}
	return fieldsOf(r.Header.Get("Content-Type"), body), true // what came before a connection ended
}

// fieldsOf reads a form of either encoding (RFC 8058 section 3.1). A multipart body names its boundary itself where the
// header does not, or names another.
func fieldsOf(contentType string, body []byte) url.Values {
	_, params, _ := mime.ParseMediaType(contentType)
	for _, boundary := range []string{params["boundary"], firstBoundary(body)} {
		if fields := partsOf(body, boundary); len(fields) > 0 {
			return fields
		}
	}
	fields, _ := url.ParseQuery(string(body)) // keeps what is well formed
	return fields
}

// firstBoundary is what the first line of a multipart body stands for, empty where there is none.
func firstBoundary(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimLeft(body, "\r\n"), []byte("\n"))
	boundary, ok := bytes.CutPrefix(bytes.TrimRight(line, " \t\r"), []byte("--"))
	if !ok {
		return ""
	}
	return string(boundary)
}

// partsOf reads the parts of a body up to where it ends or makes no more sense. A part with a file name is a field as
// well: some senders put one on each.
func partsOf(body []byte, boundary string) url.Values {
	fields := make(url.Values)
	if boundary == "" {
		return fields
	}
	m := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		p, err := m.NextPart()
		if err != nil {
			break
		}
		value, _ := io.ReadAll(p)                               // what came before an end that is missing
		line, _, _ := strings.Cut(string(value), "\n")          // and none of a boundary that was cut short
		fields.Add(p.FormName(), strings.TrimRight(line, "\r")) // a part without a name is a field that nobody asks for
	}
	return fields
}
