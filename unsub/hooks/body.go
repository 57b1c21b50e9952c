package hooks

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// A body may have maxBody octets. Those of more than small, which only batches have, share maxLarge places, so that
// nobody who proves nothing can make the gate hold more than that.
const (
	maxBody  = 5 << 20
	small    = 512 << 10
	maxLarge = 8
)

var errBusy = errors.New("too many large webhooks at once")

// body reads the request's body.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	in := http.MaxBytesReader(w, r.Body, maxBody)
	var b bytes.Buffer
	if n, err := io.CopyN(&b, in, small); n < small {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return b.Bytes(), err
	}
	select {
	case h.large <- struct{}{}:
		defer func() { <-h.large }()
	default:
		return nil, errBusy
	}
	_, err := io.Copy(&b, in)
	return b.Bytes(), err
}
