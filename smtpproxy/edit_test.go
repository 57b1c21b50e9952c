package smtpproxy_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// listed is a stream that asks for every line that there is.
func listed(name string, existing gate.ExistingHeader, onSigned gate.OnSigned) *gate.Stream {
	return &gate.Stream{
		Name: name, Kind: gate.KindMarketing, Purpose: "news", Match: []string{name + "@example.com"}, Unsubscribe: []string{"https"},
		ListID: "Example news <news.example.com>", FeedbackID: "spring:news:example", Existing: existing, OnSigned: onSigned,
	}
}

func withListed(_ *world, o *smtpproxy.Options) {
	o.Streams = append([]*gate.Stream{
		listed("keep", gate.ExistingKeep, gate.SignedLeave), listed("replace", gate.ExistingReplace, gate.SignedLeave),
		listed("strict", gate.ExistingReplace, gate.SignedRefuse),
	}, o.Streams...)
	o.Limits.Wire.Message, o.Limits.Hops = 1<<20, 50
	o.NewID = func() string { return "01JD7Q4ZK3M8N5T9V2X6Y0B1CF" }
}

// pass sends a message through a stream and returns what the upstream got.
func (w *world) pass(stream, text string, to ...string) []string {
	w.tb.Helper()
	w.upstream.Forget()
	if len(to) == 0 {
		to = []string{"active"}
	}
	dialogue := message(stream+"@example.com", "250", to...)
	w.play(strings.Replace(dialogue, "C: Subject: hello\nC:\nC: text\nC: .\n", "C< "+escape(text)+".\\r\\n\n", 1))
	var got []string
	for _, m := range w.upstream.Messages() {
		if m.Complete {
			got = append(got, string(m.Data))
		}
	}
	if len(got) != len(to) {
		w.tb.Fatalf("upstream got %d messages for %d recipients", len(got), len(to))
	}
	return got
}

// names are those of the fields that begin text, up to the first that the rest begins with.
func names(t *testing.T, text, rest string) []string {
	t.Helper()
	lines, ok := strings.CutSuffix(text, rest)
	if !ok {
		t.Fatalf("upstream got %q, want lines above %q", text, rest)
	}
	var names []string
	for f := range (wire.Header{Raw: []byte(lines)}).Fields() {
		names = append(names, f.Name())
	}
	return names
}

// Every pair in testdata/splice is a message and what the upstream gets of it. The stream is the folder's name.
func TestMessagesAndWhatTheUpstreamGetsOfThem(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/splice/*/*.in.eml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	w := start(t, withListed)
	for _, file := range files {
		in, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".in.eml") + ".out.eml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), w.pass(filepath.Base(filepath.Dir(file)), string(in))[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestASignedMessageStillVerifiesBehindTheGate(t *testing.T) {
	t.Parallel()
	const (
		top  = "Received List-Id Feedback-ID List-Unsubscribe List-Unsubscribe-Post"
		less = "Received List-Id Feedback-ID"
		own  = "List-Unsubscribe: <https://shop.example/u>,\r\n <mailto:u@shop.example>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	)
	for _, tc := range []struct {
		name, stream, fields, signed string
		want                         string // the fields on top
		counted                      string
	}{
		{"what no signature lists is added", "keep", "", "Subject To", top, ""},
		{"a List-Unsubscribe that is signed away stays away", "keep", "", "List-Unsubscribe", less, "unsubscribe_signed.keep"},
		{"so it does in any case of letters", "keep", "", "list-UNSUBSCRIBE", less, "unsubscribe_signed.keep"},
		{"a -Post that is signed away keeps both away", "keep", "", "List-Unsubscribe-Post", less, "unsubscribe_signed.keep"},
		{"a List-Id that is signed away stays away alone", "keep", "", "List-Id", strings.Replace(top, " List-Id", "", 1), ""},
		{"a Feedback-ID that is signed away stays away alone", "keep", "", "Feedback-ID", strings.Replace(top, " Feedback-ID", "", 1), ""},
		{"its own is kept, signed or not", "keep", own, "List-Unsubscribe List-Unsubscribe-Post", less, "unsubscribe_kept.keep"},
		{"a -Post by itself is kept, and ours stays away", "keep", "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", "Subject", less, "unsubscribe_kept.keep"},
		{"its own List-Id and Feedback-ID are kept", "keep", "list-id: <a.b>\r\nFEEDBACK-ID: x:y\r\n", "List-Id Feedback-ID", "Received List-Unsubscribe List-Unsubscribe-Post", ""},
		{"a signed one of its own is not replaced", "replace", own, "List-Unsubscribe", less, "unsubscribe_signed.replace"},
		{"nor where only -Post is signed", "replace", own, "List-Unsubscribe-Post", less, "unsubscribe_signed.replace"},
		{"nor where -Post is signed away", "replace", "List-Unsubscribe: <https://shop.example/u>\r\n", "List-Unsubscribe-Post", less, "unsubscribe_signed.replace"},
		{"Received that stands there may be signed", "keep", "Received: by a; Mon, 23 Nov 2026 10:00:00 +0000\r\n", "Received", top, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, withListed)
			for i, s := range signers(t) {
				text := s.sign(t, "From: News  <news@example.com>\r\n"+tc.fields+"Subject: a\r\n  b\r\nTo: x@y\r\n\r\ntext \r\n\r\n", strings.Fields(tc.signed)...)
				got := w.pass(tc.stream, text)[0]
				if err := s.verify(t, []byte(got)); err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
				if top := strings.Join(names(t, got, text), " "); top != tc.want {
					t.Errorf("%s: on top %s, want %s", s.name, top, tc.want)
				}
				if tc.counted != "" && w.counted.of(tc.counted) != i+1 {
					t.Errorf("%s: %s = %d, want %d", s.name, tc.counted, w.counted.of(tc.counted), i+1)
				}
			}
		})
	}
}

func TestAnUnsignedListUnsubscribeIsReplacedBelowASignature(t *testing.T) {
	t.Parallel()
	w := start(t, withListed)
	for _, s := range signers(t) {
		text := s.sign(t, "From: news@example.com\r\nlist-unsubscribe: <https://a.example>,\r\n <mailto:a@a.example>\r\nTo: x@y\r\n"+
			"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Unsubscribe: <https://b.example>\r\n\r\ntext\r\n", "To", "Subject")
		got := w.pass("replace", text)[0]
		if err := s.verify(t, []byte(got)); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		h := headerOf(t, got)
		if diff := cmp.Diff([]string{"<https://u.example.com/u/active>"}, h.Values("List-Unsubscribe")); diff != "" {
			t.Error(diff)
		}
		if n := h.Count("List-Unsubscribe-Post"); n != 1 {
			t.Errorf("%d List-Unsubscribe-Post", n)
		}
	}
}

// TestReceivedIsAddedEvenWhereASignatureForbidsIt: RFC 5321 section 4.4 wants it of every hop, so such a signature holds
// at none; docs/decisions/0003 says so.
func TestReceivedIsAddedEvenWhereASignatureForbidsIt(t *testing.T) {
	t.Parallel()
	w := start(t, withListed)
	for _, s := range signers(t) {
		text := s.sign(t, "From: news@example.com\r\n\r\ntext\r\n", "Received")
		got := w.pass("strict", text)[0]
		if names(t, got, text)[0] != "Received" || s.verify(t, []byte(got)) == nil {
			t.Errorf("%s: %q", s.name, got)
		}
	}
}

func TestEachCopyHasItsOwnLinkInTheReplacedOnesPlace(t *testing.T) {
	t.Parallel()
	w := start(t, withListed)
	got := w.pass("replace", "List-Unsubscribe: <https://shop.example>\r\nSubject: x\r\n\r\ntext\r\n", "active", "double")
	for i, who := range []string{"active", "double"} {
		h := headerOf(t, got[i])
		if diff := cmp.Diff([]string{"<https://u.example.com/u/" + who + ">"}, h.Values("List-Unsubscribe")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAMessageThatCannotCarryItsLinesIsRefusedWhereTheStreamSaysSo(t *testing.T) {
	t.Parallel()
	for signed, hint := range map[string]string{
		"h=From:List-Unsubscribe":         "List-Unsubscribe",
		"h=From:List-Unsubscribe-Post":    "List-Unsubscribe",
		"h=From:List-Id":                  "List-Id",
		"h=From:Feedback-ID:List-Id; b=x": "List-Id, Feedback-ID",
	} {
		w := start(t, withListed)
		text := message("strict@example.com", "554 5.7.1 Message blocked by consent policy (unsubscribe_impossible) [01JD7Q4ZK3M8N5T9V2X6Y0B1CF]", "active", "double")
		w.play(strings.Replace(text, "C: Subject: hello\n", "C: DKIM-Signature: "+signed+"\nC: From: a@b\n", 1))
		if n := len(w.upstream.Messages()); n != 0 {
			t.Errorf("%s: upstream got %d messages", signed, n)
		}
		entries := w.blocks.all()
		if len(entries) != 2 {
			t.Fatalf("%s: %d entries, want one for each recipient", signed, len(entries))
		}
		for _, e := range entries {
			if e.Reason != gate.ReasonUnsubscribeImpossible || e.Phase != "data" || e.Stream != "strict" || e.Purpose != "news" || e.WouldBlock ||
				!strings.Contains(e.Hint, "covers "+hint+":") || !strings.HasPrefix(e.Reply, "554 5.7.1 ") {
				t.Errorf("%s: entry %+v", signed, e)
			}
		}
		if w.counted.of("blocked_late.strict.unsubscribe_impossible") != 2 || w.counted.of("unsubscribe_signed.strict") != 0 {
			t.Errorf("%s: counted %v", signed, w.counted.n)
		}
	}
}

func TestWhatIsLeftOutOfASignedMessageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log loud
	w := start(t, withListed, func(_ *world, o *smtpproxy.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.pass("keep", "DKIM-Signature: h=List-Unsubscribe:Feedback-ID\r\n\r\ntext\r\n", "active", "double", "third")
	lines := regexp.MustCompile(`(?m)^.*level=INFO.*signature.*$`).FindAllString(log.String(), -1)
	if len(lines) != 1 || !strings.Contains(lines[0], "stream=keep") || !strings.Contains(lines[0], `[Feedback-ID List-Unsubscribe]`) {
		t.Errorf("log %q", log.String())
	}
	if n := w.counted.of("unsubscribe_signed.keep"); n != 1 {
		t.Errorf("counted %d times, want once a message", n)
	}
}

func TestObserveNeitherReplacesNorRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, withListed, func(_ *world, o *smtpproxy.Options) { o.Streams[2].Mode = gate.ModeObserve })
	text := "DKIM-Signature: h=List-Id\r\nList-Unsubscribe: <https://shop.example>\r\n\r\ntext\r\n"
	if got := w.pass("strict", text)[0]; got != text {
		t.Errorf("upstream got %q, want what was sent", got)
	}
}

func TestAMessageThatNobodyGetsIsNotRefusedForItsSignature(t *testing.T) {
	t.Parallel()
	w := start(t, withListed, func(_ *world, o *smtpproxy.Options) { o.Streams[2].OnBlock = gate.OnBlockDiscard })
	text := strings.Replace(message("strict@example.com", "250", "none"), "C: Subject: hello\n", "C: DKIM-Signature: h=List-Unsubscribe\n", 1)
	w.play(text)
	text = strings.Replace(message("strict@example.com", "554 5.7.1", "none", "active"), "C: Subject: hello\n", "C: DKIM-Signature: h=List-Unsubscribe\n", 1)
	w.play(text)
	var reasons []string
	for _, e := range w.blocks.all() {
		reasons = append(reasons, e.Recipient+" "+string(e.Reason))
	}
	want := []string{"n***@example.net no_consent", "n***@example.net no_consent", "a***@example.net unsubscribe_impossible"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
}

// ownUnsubscribe finds the two fields with all their lines, by a way of its own.
func ownUnsubscribe() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^\.?list-unsubscribe(-post)?[ \t]*:.*\r\n(\.?[ \t].*\r\n)*`)
}

// FuzzSplice: below our lines stands the header as it came, or, where the stream wants that, without exactly the two
// fields that are replaced; and nothing that may stand once stands twice because of us.
func FuzzSplice(f *testing.F) {
	for _, header := range []string{
		"Subject: x\r\n\r\n", "Subject: x\r\n", "List-Unsubscribe: <https://a>\r\n\r\n", "list-unsubscribe :\r\n <https://a>,\r\n\t<mailto:b>\r\nA:\r\n b\r\n\r\n",
		"A: b\r\nList-Unsubscribe: a\r\nList-Unsubscribe: b\r\nLIST-UNSUBSCRIBE-POST: c\r\n d\r\n\r\n", ".List-Unsubscribe-Post: x\r\n. y\r\n..A: b\r\n\r\n",
		"List-Unsubscribe-Posts: x\r\nX-List-Unsubscribe: y\r\n\r\n", "List-Id: <a.b>\r\nFeedback-ID:\r\n a\r\n\r\n",
		"DKIM-Signature: v=1; h=From:List-Unsubscribe;\r\n b=\r\nList-Unsubscribe: x\r\n\r\n", "DKIM-Signature: h=list-\r\n id : feedback-id\r\nA: b\r\n\r\n",
		"DKIM-Signature: h=List-Unsubscribe-Post\r\nList-Unsubscribe: x\r\n \r\n\r\n", "dkim-signature: h=Received:From\r\n\r\n",
	} {
		f.Add(header, false)
		f.Add(header, true)
	}
	w := &world{tb: f, clock: &clock{}, counted: &tallies{n: map[string]int{}}}
	var opt smtpproxy.Options
	opt.Links, opt.Count, opt.Now, opt.Hostname, opt.Log = links{}, w.counted.add, w.clock.read, "gate.example", slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, header string, replace bool) {
		h, err := readHeader(header)
		if err != nil {
			return
		}
		existing, want := gate.ExistingKeep, string(h.Raw)
		if replace {
			existing = gate.ExistingReplace
		}
		lines, below, err := smtpproxy.Splice(h, listed("s", existing, gate.SignedLeave), opt)
		if err != nil {
			t.Fatal(err)
		}
		top := wire.Header{Raw: lines}
		added := top.Count("List-Unsubscribe") > 0
		if replace && added {
			want = ownUnsubscribe().ReplaceAllString(want, "")
		}
		if string(below.Raw) != want {
			t.Fatalf("%q: below our lines %q, want %q", header, below.Raw, want)
		}
		if back := headerOf(t, string(lines)+string(below.Raw)); !bytes.Equal(back.Raw[len(lines):], below.Raw) {
			t.Fatalf("%q: read back as %q", header, back.Raw)
		}
		checkOnce(t, h, top, below)
	})
}

// checkOnce: a field that may stand once comes from the message or from us, and -Post from where its URL does.
func checkOnce(t *testing.T, h, top, below wire.Header) {
	t.Helper()
	for _, name := range []string{"List-Id", "Feedback-ID", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		if ours := top.Count(name); ours > 1 || ours == 1 && below.Count(name) > 0 {
			t.Errorf("%q: %s stands %d times in our lines and %d times below", h.Raw, name, ours, below.Count(name))
		}
	}
	if top.Count("List-Unsubscribe") != top.Count("List-Unsubscribe-Post") {
		t.Errorf("%q: one of our two fields without the other", h.Raw)
	}
	for f := range top.Fields() {
		if f.Raw[0] == '.' || !slices.Contains([]string{"Received", "List-Id", "Feedback-ID", "List-Unsubscribe", "List-Unsubscribe-Post"}, f.Name()) {
			t.Errorf("%q: line %q", h.Raw, f.Raw)
		}
		if f.Name() != "Received" && smtpproxy.BreaksSignature(h, f.Name(), h.Count(f.Name()) > 0, true) {
			t.Errorf("%q: %s breaks a signature", h.Raw, f.Name())
		}
	}
}
