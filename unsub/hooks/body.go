package hooks

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// A body may have maxBody octets. Those of more than small, which batches have, share maxLarge places until they are
// proven to be the provider's: the listener has thousands of connections, and anybody may post on each.
const (
	maxBody  = 5 << 20
	small    = 64 << 10
	maxLarge = 16
)

var errBusy = errors.New("too many large webhooks at once")

// read reads the request, and what it proves and says.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, in entrance) (reports, error) {
	body, done, err := h.body(http.MaxBytesReader(w, r.Body, maxBody))
	defer done()
	if err != nil {
		return reports{}, err
	}
	return in.read(request{Request: r, body: body, now: h.o.Now().UTC()})
}

// body reads a body. done gives its place back.
func (h *Handler) body(in io.Reader) (body []byte, done func(), err error) {
	var b bytes.Buffer
	if n, err := io.CopyN(&b, in, small); n < small {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return b.Bytes(), func() {}, err
	}
	select {
	case h.large <- struct{}{}:
	default:
		return nil, func() {}, errBusy
	}
	_, err = io.Copy(&b, in)
	return b.Bytes(), func() { <-h.large }, err
}
