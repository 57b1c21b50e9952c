package sink

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // text in other encodings than UTF-8
)

// maxShown bounds what a page shows of a header or a text, in octets; the raw message is complete.
const maxShown = 256 << 10

// view is a message as a page or the JSON shows it. Header is verbatim; Text is decoded: the first text/plain part,
// else the first text part of any kind.
type view struct {
	ID       int       `json:"id"`
	From     string    `json:"from"`
	To       []string  `json:"to"`
	Received time.Time `json:"received"`
	Subject  string    `json:"subject"`
	Size     int       `json:"size"`
	Header   string    `json:"header"`
	Raw      string    `json:"raw"`

	Text string `json:"-"`
}

// summary reads the header only, full the text too.
func summary(m Message) view {
	header, _ := split(m.Data)
	v := view{
		ID: m.ID, From: m.From, To: m.To, Received: m.Received, Size: len(m.Data),
		Header: shown(header), Raw: rawPath(m.ID),
	}
	if e, err := message.Read(bytes.NewReader(m.Data)); e != nil && usable(err) {
		v.Subject, _ = e.Header.Text("Subject")
	}
	return v
}

func full(m Message) view {
	v := summary(m)
	e, err := message.Read(bytes.NewReader(m.Data))
	if e == nil || !usable(err) {
		_, body := split(m.Data)
		v.Text = shown(body)
		return v
	}
	plain, other := texts(e)
	v.Text = plain
	if plain == "" {
		v.Text = other
	}
	return v
}

// usable: an unknown charset or encoding leaves the entity readable as it came.
func usable(err error) bool {
	return err == nil || message.IsUnknownCharset(err) || message.IsUnknownEncoding(err)
}

// texts finds the first text/plain part and the first text part of another kind. A part that cannot be read ends the
// search with what was found.
func texts(e *message.Entity) (plain, other string) {
	_ = e.Walk(func(_ []int, part *message.Entity, err error) error {
		if !usable(err) {
			return err
		}
		kind, _, _ := part.Header.ContentType()
		switch {
		case kind == "text/plain" && plain == "":
			plain = readText(part.Body)
		case strings.HasPrefix(kind, "text/") && other == "":
			other = readText(part.Body)
		}
		return nil
	})
	return plain, other
}

func readText(r io.Reader) string {
	// What could be decoded is shown, whatever came after.
	b, _ := io.ReadAll(io.LimitReader(r, maxShown))
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// split cuts a message at its first blank line; without one all of it is header.
func split(data []byte) (header, body []byte) {
	if bytes.HasPrefix(data, []byte("\r\n")) {
		return nil, data[2:]
	}
	header, body, _ = bytes.Cut(data, []byte("\r\n\r\n"))
	return header, body
}

func shown(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), maxShown)]), "\uFFFD")
}
