package inbound

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net/textproto"
	"strings"

	mail "github.com/emersion/go-message"

	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
)

// What is looked at of a report: what it says and the header of the message it returns stand at its beginning. It bounds
// what a hostile one can make us hold.
const (
	maxParsed = 512 << 10
	maxParts  = 20
	maxField  = 16 << 10 // a longer line ends what is read of a part
)

// report is what a message to the address of the feedback loops turned out to be.
type report struct {
	feedback bool   // in the form of RFC 5965
	other    bool   // a report of another kind: a bounce, a read receipt
	said     string // Feedback-Type, in lower case
	reporter string // host of Reporting-MTA
	digest   string // names the report's content: a repetition has the same

	returned bool // a message was attached
	text     string
	token    unsub.Token // of the first one of ours in its List-Unsubscribe; zero: none
}

// action is what a report asks for.
type action int

const (
	ignore action = iota
	unmatched
	optOut
	complain
)

// act tells what to do. Some providers attach the whole message to plain mail instead of writing a report (Microsoft's
// JMRP did so for years): that is a complaint too, unless a machine forwarded it.
func (r report) act(automatic bool) action {
	switch {
	case r.feedback && in(r.said, "not-spam", "auth-failure"): // RFC 6430, RFC 6591
		return ignore
	case !r.feedback && (r.other || automatic || !r.returned):
		return ignore
	case r.text == "", r.feedback && r.said == "":
		return unmatched
	case r.feedback && in(r.said, "opt-out", "opt-out-list"):
		return optOut
	}
	return complain
}

// kind is the report's type, of a closed set: what a stranger writes is not kept.
func (r report) kind() string {
	switch {
	case !r.feedback:
		return "returned message"
	case in(r.said, "abuse", "fraud", "virus", "not-spam", "opt-out", "auth-failure"):
		return r.said
	}
	return "other"
}

// readReport reads what follows the header, to its end or to what breaks it off, which the caller sees at content.
func readReport(h wire.Header, content *wire.Content, links *unsub.Links) report {
	digest := sha256.New()
	body := io.TeeReader(lines(content), digest)
	p := parser{links: links}
	head := bytes.NewReader(wire.Unstuff(h.Raw))
	p.message(io.MultiReader(head, io.LimitReader(body, maxParsed)))
	_, _ = io.Copy(io.Discard, body) // what is wrong is content's to say
	p.r.digest = hex.EncodeToString(digest.Sum(nil)[:16])
	return p.r
}

// parser finds in a message what a report is about.
type parser struct {
	links *unsub.Links
	r     report
}

// message reads the outer message. What is malformed is read as far as it goes.
func (p *parser) message(r io.Reader) {
	e, err := mail.Read(r)
	if e == nil || hopeless(err) {
		return
	}
	kind, params := mediaType(e)
	switch {
	case kind == "multipart/report":
		p.r.feedback = strings.EqualFold(params["report-type"], "feedback-report")
		p.r.other = !p.r.feedback
		p.parts(e)
	case strings.HasPrefix(kind, "multipart/"):
		p.parts(e)
	default:
		p.part(kind, e.Body)
	}
}

func (p *parser) parts(e *mail.Entity) {
	multi := e.MultipartReader()
	if multi == nil { // of a type that only mediaType could read
		return
	}
	for range maxParts {
		part, err := multi.NextPart()
		if part == nil || hopeless(err) {
			return
		}
		kind, _ := mediaType(part)
		p.part(kind, part.Body)
	}
}

// part reads a part that says something. A returned message may be its header alone (RFC 5965 section 2).
func (p *parser) part(kind string, body io.Reader) {
	switch kind {
	case "message/feedback-report":
		fields(body, p.feedbackField)
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		p.r.returned = true
		fields(body, p.returnedField)
	}
}

func (p *parser) feedbackField(name, value string) {
	switch {
	case name == "feedback-type" && p.r.said == "":
		p.r.said = word(value)
	case name == "reporting-mta" && p.r.reporter == "":
		_, host, _ := strings.Cut(value, ";") // dns; host.example
		p.r.reporter = hostName(strings.TrimSpace(host))
	}
}

func (p *parser) returnedField(name, value string) {
	if name != "list-unsubscribe" || p.r.text != "" {
		return
	}
	if text, token, err := p.links.Find(value); err == nil {
		p.r.text, p.r.token = text, token
	}
}

// fields calls f for each field, its name in lower case and its value unfolded, up to the first blank line behind one.
// Lines that are no field are passed over: returned headers are not always what they were.
func fields(r io.Reader, f func(name, value string)) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxField)
	field := ""
	end := func() {
		if name, value, ok := strings.Cut(field, ":"); ok {
			f(strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value))
		}
		field = ""
	}
	for seen := false; scan.Scan(); {
		line := scan.Text()
		folded := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		switch {
		case strings.TrimSpace(line) == "":
			if seen {
				end()
				return
			}
			continue
		case folded && len(field)+len(line) <= maxField:
			field += line
		case !folded:
			end()
			field = line
		}
		seen = true
	}
	end()
}

// lines is the message without the dots of transparency, up to its end or the error that content has.
func lines(content *wire.Content) io.Reader {
	stuffed := io.MultiReader(&reader{content: content}, strings.NewReader(".\r\n"))
	return textproto.NewReader(bufio.NewReader(stuffed)).DotReader()
}

// reader is an io.Reader of what is on the wire.
type reader struct {
	content *wire.Content
	rest    []byte // valid until the next call of content.Next
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		b, err := r.content.Next()
		if err != nil {
			return 0, err
		}
		r.rest = b
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// mediaType also takes what cannot be parsed whole, as long as it begins with a type.
func mediaType(e *mail.Entity) (string, map[string]string) {
	value := e.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(value)
	if err != nil && kind == "" {
		return word(value), nil
	}
	return kind, params
}

// hopeless reports whether nothing can be read; a charset or encoding that is not known only leaves a part undecoded.
func hopeless(err error) bool {
	return err != nil && !mail.IsUnknownCharset(err) && !mail.IsUnknownEncoding(err)
}

// hostName is s in lower case if it looks like a host's name, else empty: no address gets into the history.
func hostName(s string) string {
	const allowed = ".-0123456789abcdefghijklmnopqrstuvwxyz"
	if s = strings.ToLower(s); len(s) > 128 || strings.Trim(s, allowed) != "" {
		return ""
	}
	return s
}
