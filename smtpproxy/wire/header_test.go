package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-message/textproto"
	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// readHeader reads a message that is given as it goes on the wire, without the end of data. rest is its body.
func readHeader(message string, l wire.Limits) (h wire.Header, rest string, err error) {
	return readHeaderFrom(newTape(message+".\r\n"), l)
}

func readHeaderFrom(tp *tape, l wire.Limits) (h wire.Header, rest string, err error) {
	content := tp.conn(wire.Options{}).Content()
	if h, err = wire.ReadHeader(content, nil, l); err != nil {
		return h, "", err
	}
	var b bytes.Buffer
	for {
		chunk, err := content.Next()
		if errors.Is(err, io.EOF) {
			return h, b.String(), nil
		}
		if err != nil {
			return h, "", err
		}
		b.Write(chunk)
	}
}

func TestHeaderAndBodyAreKeptToTheByte(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]struct{ header, body string }{
		"usual":                        {"From: a@b\r\nSubject: x\r\n\r\n", "body\r\n"},
		"no blank behind the colon":    {"Subject:x\r\n\r\n", "body\r\n"},
		"tabs and trailing blanks":     {"Subject:\tx \t\r\n\r\n", "body\r\n"},
		"blank before the colon":       {"Subject : x\r\n\r\n", "body\r\n"},
		"folded by blank and tab":      {"Subject: a\r\n b\r\n\tc\r\n\r\n", "body\r\n"},
		"continuation of blanks only":  {"Subject: a\r\n  \r\nTo: b\r\n\r\n", "body\r\n"},
		"no value":                     {"Subject:\r\n\r\n", "body\r\n"},
		"latin-1 and NUL in a value":   {"Subject: \xe9\x00\r\n\r\n", "body\r\n"},
		"line of 5000":                 {"Subject: " + strings.Repeat("x", 5000) + "\r\n\r\n", "body\r\n"},
		"folded to 90 KB":              {"To: a" + strings.Repeat(",\r\n a@example.com", 5500) + "\r\n\r\n", "body\r\n"},
		"the same name twice":          {"Received: b\r\nreceived: a\r\n\r\n", "body\r\n"},
		"field name begins with a dot": {"A: 1\r\n..x: 2\r\n\r\n", "body\r\n"},
		"no body":                      {"Subject: x\r\n\r\n", ""},
		"no body, no blank line":       {"Subject: x\r\n", ""},
		"body that looks like a field": {"Subject: x\r\n\r\n", "To: y\r\n\r\nz\r\n"},
		"body begins with blank lines": {"Subject: x\r\n\r\n", "\r\n\r\nx\r\n"},
		"body begins with a dot":       {"Subject: x\r\n\r\n", "..\r\n"},
		"long body":                    {"Subject: x\r\n\r\n", body(200 << 10)},
	} {
		for _, tp := range []*tape{
			newTape(message.header + message.body + ".\r\n"),
			newTape(bytewise(message.header + message.body + ".\r\n")...),
		} {
			h, rest, err := readHeaderFrom(tp, wire.Limits{})
			if err != nil || string(h.Raw) != message.header || rest != message.body {
				t.Errorf("%s: %v, header %.60q, body %.60q", name, err, h.Raw, rest)
			}
		}
	}
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"empty message":                  "",
		"no field":                       "\r\nbody\r\n",
		"text only":                      "Hello,\r\nworld\r\n",
		"line without a colon":           "Subject: x\r\nHello\r\n\r\n",
		"blank in the name":              "Sub ject: x\r\n\r\n",
		"no name":                        ": x\r\n\r\n",
		"8-bit name":                     "Subj\xe9ct: x\r\n\r\n",
		"UTF-8 name":                     "Sübject: x\r\n\r\n",
		"control character in the name":  "Sub\x07ject: x\r\n\r\n",
		"begins with a continuation":     " x\r\nSubject: x\r\n\r\n",
		"begins with a stuffed one":      ". x\r\nSubject: x\r\n\r\n",
		"mbox":                           "From ann@example.com Mon Nov 23 10:00:00 2026\r\nSubject: x\r\n\r\n",
		"quoted mbox":                    ">From ann@example.com Mon Nov 23 10:00:00 2026\r\nSubject: x\r\n\r\n",
		"stuffed line that is no field":  "Subject: x\r\n..\r\n\r\n",
		"text behind the last full line": "Subject: x\r\nx\r\n",
	} {
		if h, _, err := readHeader(message, wire.Limits{}); !errors.Is(err, wire.ErrMalformedHeader) {
			t.Errorf("%s: %v, %q", name, err, h.Raw)
		}
	}
}

func TestHeaderBeyondTheLimits(t *testing.T) {
	t.Parallel()
	const field = "X-Field: 0123456789\r\n"
	many := strings.Repeat(field, 1000)
	tests := map[string]struct {
		message string
		limits  wire.Limits
		ok      bool
	}{
		"1000 fields":              {many + "\r\n", wire.Limits{}, true},
		"1001 fields":              {many + field + "\r\n", wire.Limits{}, false},
		"octets, exactly":          {many + "\r\n", wire.Limits{Header: len(many) + 2}, true},
		"octets, one more":         {many + "\r\n", wire.Limits{Header: len(many) + 1}, false},
		"one field that never end": {"X: " + strings.Repeat("x", 300<<10) + "\r\n\r\n", wire.Limits{}, false},
		"a large body is none":     {field + "\r\n" + body(1<<20), wire.Limits{Header: 100}, true},
	}
	for name, tc := range tests {
		if _, _, err := readHeader(tc.message, tc.limits); errors.Is(err, wire.ErrMalformedHeader) == tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedHeaderLeavesTheSessionInOrder(t *testing.T) {
	t.Parallel()
	c := newTape("no header\r\nMAIL FROM:<a@b>\r\n.\r\nQUIT\r\n").conn(wire.Options{})
	content := c.Content()
	if _, err := wire.ReadHeader(content, nil, wire.Limits{}); !errors.Is(err, wire.ErrMalformedHeader) {
		t.Fatal(err)
	}
	if err := content.Drain(); err != nil {
		t.Fatal(err)
	}
	if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
		t.Errorf("%v, %v", cmd, err)
	}
}

func TestHeaderOfAMessageThatBreaksOff(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]error{
		"Subject: x\r\nTo":                           wire.ErrBroken,
		"Subject: x\nTo: y\r\n\r\nbody\r\n.\r\n":     wire.ErrBareLine,
		"Subject: x\r\n\r\n" + "\r\n":                nil,
		"Subject: x\r\nTo: y\r\n\r\nbo\ndy\r\n.\r\n": wire.ErrBareLine,
	} {
		content := newTape(message).conn(wire.Options{}).Content()
		if _, err := wire.ReadHeader(content, nil, wire.Limits{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", message, err, want)
		}
	}
}

func TestValuesAreUnfolded(t *testing.T) {
	t.Parallel()
	h, _, err := readHeader("Received: one\r\nsubject:  Hello,\r\n  big \r\n\tworld\t\r\nRECEIVED : two\r\n"+
		"List-Unsubscribe: <https://u.example.com/a>,\r\n. <mailto:u@example.com>\r\nX:\r\n\r\nReceived: no\r\n", wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, h.Values("Received")); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Subject": "Hello,  big \tworld", "list-unsubscribe": "<https://u.example.com/a>, <mailto:u@example.com>", "X": "",
	} {
		if got, ok := h.First(name); got != want || !ok || h.Count(name) != 1 {
			t.Errorf("%s: %q, %v, %d", name, got, ok, h.Count(name))
		}
	}
	if _, ok := h.First("Receive"); ok || h.Count("Receive") != 0 || h.Values("Receive") != nil {
		t.Error("a name is found by its beginning")
	}
	var names []string
	for f := range h.Fields() {
		if names = append(names, f.Name()); len(names) == 3 {
			break
		}
	}
	if diff := cmp.Diff([]string{"Received", "subject", "RECEIVED"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestFieldsBehindADotAreSeen: the upstream takes the dot off and finds the field; so must we.
func TestFieldsBehindADotAreSeen(t *testing.T) {
	t.Parallel()
	h, _, err := readHeader("Subject: x\r\n.List-Unsubscribe: <https://evil.example>\r\n.\tfolded\r\n..Dot: y\r\n\r\n", wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := h.First("List-Unsubscribe"); got != "<https://evil.example>\tfolded" {
		t.Errorf("List-Unsubscribe = %q", got)
	}
	if got, _ := h.First(".Dot"); got != "y" {
		t.Errorf(".Dot = %q", got)
	}
}

func TestFieldsOfANameLeaveWithAllTheirLinesAndNothingElseChanges(t *testing.T) {
	t.Parallel()
	const list, post = "List-Unsubscribe", "List-Unsubscribe-Post"
	for name, tc := range map[string]struct{ message, want string }{
		"none there":         {"From: a@b\r\nSubject: x\r\n\r\n", "From: a@b\r\nSubject: x\r\n\r\n"},
		"between others":     {"From: a@b\r\nList-Unsubscribe: <u>\r\nSubject: x\r\n\r\n", "From: a@b\r\nSubject: x\r\n\r\n"},
		"folded":             {"A: 1\r\nlist-unsubscribe:\r\n\t<u>,\r\n <v>\r\nB:\r\n 2\r\n\r\n", "A: 1\r\nB:\r\n 2\r\n\r\n"},
		"each of several":    {"LIST-UNSUBSCRIBE: <u>\r\nA: 1\r\nList-Unsubscribe: <v>\r\nList-Unsubscribe-Post: w\r\n\r\n", "A: 1\r\n\r\n"},
		"a longer name":      {"List-Unsubscribe-Posts: x\r\nXList-Unsubscribe: y\r\n\r\n", "List-Unsubscribe-Posts: x\r\nXList-Unsubscribe: y\r\n\r\n"},
		"behind a dot":       {".List-Unsubscribe: <u>\r\n. folded\r\n..A: 1\r\n\r\n", "..A: 1\r\n\r\n"},
		"blank before colon": {"List-Unsubscribe \t: <u>\r\nA : 1\r\n\r\n", "A : 1\r\n\r\n"},
		"all there is":       {"List-Unsubscribe: <u>\r\n\r\n", "\r\n"},
		"no blank line":      {"A: 1\r\nList-Unsubscribe: <u>\r\n", "A: 1\r\n"},
	} {
		h, _, err := readHeader(tc.message, wire.Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := h.Without(list, post).Raw; string(got) != tc.want || string(h.Raw) != tc.message {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestAValueOfManyLinesLeavesTheHeaderAsItIs: unfolding needs memory of its own, and not the square of the value's.
// AllocsPerRun counts those of the whole process, so this test runs by itself.
func TestAValueOfManyLinesLeavesTheHeaderAsItIs(t *testing.T) {
	message := "X: a\r\n" + strings.Repeat(" b\r\n", 50000) + "Y: c\r\n\r\n"
	h, _, err := readHeader(message, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := h.First("X"); got != "a"+strings.Repeat(" b", 50000) || string(h.Raw) != message {
		t.Errorf("value %.20q of %d octets, header %.20q", got, len(got), h.Raw)
	}
	if n := testing.AllocsPerRun(1, func() { h.First("X") }); n > 100 {
		t.Errorf("%.0f allocations for one value", n)
	}
}

// splice puts lines on top of a header, as a relay does.
func splice(t testing.TB, h wire.Header) (lines, spliced []byte) {
	t.Helper()
	var l wire.Lines
	for _, err := range []error{
		l.Add("Received", "by gate.example.com; Mon, 23 Nov 2026 10:00:00 +0000"),
		l.AddFolded("List-Unsubscribe", "<https://u.example.com/u/x>,", "<mailto:u@example.com>"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return l.Bytes(), append(bytes.Clone(l.Bytes()), h.Raw...)
}

// FuzzHeader: what is read is what was sent; with lines spliced on top it is the same fields behind ours; and where
// an independent reader understands the header it sees as many fields as we do.
func FuzzHeader(f *testing.F) {
	for _, message := range []string{
		"From: a@b\r\nSubject: x\r\n\r\nbody\r\n", "A:\r\n b\r\n", "..A: b\r\n\r\n", ".A: b\r\n. c\r\n\r\n.x\r\n", "A : b\r\n\r\n",
		"\r\n", "A: b\r\n \r\n\tc\r\n\r\n\r\n", "From x\r\n\r\n", "A: b\r\nc\r\n\r\n", "",
	} {
		f.Add(message, 7)
	}
	f.Fuzz(func(t *testing.T, message string, piece int) {
		tp := newTape(pieces(message+"\r\n.\r\n", piece)...)
		h, rest, err := readHeaderFrom(tp, wire.Limits{})
		if err != nil {
			return
		}
		if sent := message + "\r\n"; string(h.Raw)+rest != sent && !strings.Contains(sent, "\r\n.\r\n") && !strings.HasPrefix(sent, ".\r\n") {
			t.Fatalf("%q becomes %q + %q", sent, h.Raw, rest)
		}
		lines, spliced := splice(t, h)
		again, _, err := readHeader(string(spliced), wire.Limits{Fields: 1002})
		if err != nil || !bytes.Equal(again.Raw, spliced) {
			t.Fatalf("%q spliced: %v, %q", h.Raw, err, again.Raw)
		}
		want := append(names(wire.Header{Raw: lines}), names(h)...)
		if diff := cmp.Diff(want, names(again)); diff != "" {
			t.Fatalf("%q spliced: %s", h.Raw, diff)
		}
		independent, err := textproto.ReadHeader(bufioReader(wire.Unstuff(h.Raw)))
		if err == nil && independent.Len() != len(names(h)) {
			t.Fatalf("%q: go-message sees %d fields, we %d", h.Raw, independent.Len(), len(names(h)))
		}
	})
}

func names(h wire.Header) (names []string) {
	for f := range h.Fields() {
		names = append(names, f.Name())
	}
	return names
}
