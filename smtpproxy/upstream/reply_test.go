package upstream_test

import (
	"bufio"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func readReply(wire string) (upstream.Reply, error) {
	return upstream.ReadReply(bufio.NewReaderSize(strings.NewReader(wire), 16))
}

func TestReplyReader(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, wire string
		want       upstream.Reply
	}{
		{"a code and text", "250 Ok\r\n", upstream.Reply{Code: 250, Text: "Ok"}},
		{"an enhanced code is cut off", "550 5.1.1 no such mailbox\r\n", upstream.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 1, 1}, Text: "no such mailbox"}},
		{"an enhanced code of three digits", "451 4.123.456 later\r\n", upstream.Reply{Code: 451, Enhanced: smtp.EnhancedCode{4, 123, 456}, Text: "later"}},
		{"an enhanced code alone", "250 2.0.0\r\n", upstream.Reply{Code: 250, Enhanced: smtp.EnhancedCode{2, 0, 0}}},
		{"a code of another class is text", "550 4.1.1 odd\r\n", upstream.Reply{Code: 550, Text: "4.1.1 odd"}},
		{"an IP address is text", "220 2.0.0.1 ready\r\n", upstream.Reply{Code: 220, Text: "2.0.0.1 ready"}},
		{"a code without text", "354\r\n", upstream.Reply{Code: 354}},
		{"LF alone ends a line", "250 Ok\n", upstream.Reply{Code: 250, Text: "Ok"}},
		{"several lines", "550-5.7.1 first\r\n550-5.7.1 second\r\n550 5.7.1 third\r\n", upstream.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 7, 1}, Text: "first\nsecond\nthird"}},
		{"several lines, the enhanced code on the first", "550-5.7.1 first\r\n550 second\r\n", upstream.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 7, 1}, Text: "first\nsecond"}},
		{"an empty last line", "250-a\r\n250\r\n", upstream.Reply{Code: 250, Text: "a\n"}},
		{"control characters are masked", "250 a\rb\x00c\x1b[2J\r\n", upstream.Reply{Code: 250, Text: "a?b?c?[2J"}},
		{"a line longer than the buffer", "250 " + strings.Repeat("x", 5000) + "\r\n", upstream.Reply{Code: 250, Text: strings.Repeat("x", 5000)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := readReply(tc.wire)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tc.wire, diff)
			}
		})
	}
}

func TestReplyReaderRefusesWhatIsNoReply(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]string{
		"nothing":                      "",
		"half a line":                  "250 Ok",
		"an empty line":                "\r\n",
		"a short line":                 "25\r\n",
		"no digits":                    "HTTP/1.1 400 Bad Request\r\n",
		"a code below 200":             "150 mark\r\n",
		"a code above 599":             "600 what\r\n",
		"another separator":            "250_Ok\r\n",
		"four digits":                  "2500 Ok\r\n",
		"two codes in one reply":       "250-a\r\n251 b\r\n",
		"an end in mid-reply":          "250-a\r\n",
		"one endless line":             "250 " + strings.Repeat("x", upstream.MaxReply+1) + "\r\n",
		"an endless line without end":  "250 " + strings.Repeat("x", 4*upstream.MaxReply),
		"endlessly many empty lines":   strings.Repeat("250-\r\n", upstream.MaxReply/5) + "250 \r\n",
		"endlessly many lines of text": strings.Repeat("250-"+strings.Repeat("x", 70)+"\r\n", 1000) + "250 x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := readReply(wire); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestReplyClasses(t *testing.T) {
	t.Parallel()
	for code, want := range map[int][3]bool{
		250: {true, false, false}, 354: {}, 421: {false, true, false}, 450: {false, true, false}, 550: {false, false, true}, 0: {},
	} {
		r := upstream.Reply{Code: code}
		if got := [3]bool{r.Positive(), r.Transient(), r.Permanent()}; got != want {
			t.Errorf("%d: positive, transient, permanent = %v, want %v", code, got, want)
		}
	}
	r := upstream.Reply{Code: 550, Enhanced: smtp.EnhancedCode{5, 1, 1}, Text: "no such\nmailbox"}
	if got, want := r.String(), "550 5.1.1 no such / mailbox"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzReply: whatever a peer sends is a reply within its bounds, or an error; never a line break for others to trip on.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"250 2.1.0 Ok\r\n", "250-a\r\n250 b\r\n", "354\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "421 4.3.2\n",
		"25", "250-\r\n251 \r\n", "\r\n", "250 a\rb\r\n", "2.0.0 x\r\n", "250 2.0.0.1\r\n", "250 2.9999.0 x\r\n",
		"250 \xff\xfe\x01\r\n", strings.Repeat("250-x\r\n", 50),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		r, err := readReply(wire)
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 {
			t.Errorf("%q: code %d", wire, r.Code)
		}
		if strings.ContainsAny(r.Text, "\r\x00\x1b") || len(r.Text) > 3*upstream.MaxReply {
			t.Errorf("%q: text %q", wire, r.Text)
		}
		if strings.ContainsAny(r.String(), "\r\n") {
			t.Errorf("%q: %q is more than a line", wire, r.String())
		}
		again, err := readReply(r.String() + "\r\n")
		if err != nil || again.Code != r.Code {
			t.Errorf("%q: read as %q, which reads as %v, %v", wire, r.String(), again, err)
		}
	})
}
