package e2e_test

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browserPatience is how long a browser may take for one thing, on a machine that has other things to do.
const browserPatience = time.Minute

// viewHeight is that of the window.
const viewHeight = 900

// startBrowser starts a headless Chromium, which ends with the test. Its tabs are made of the context.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program(t, "chromium")),
		chromedp.WSURLReadTimeout(browserPatience), chromedp.Flag("hide-scrollbars", true))
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(func() { leave(); end() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

// looks is how somebody's browser is set.
type looks struct {
	language string
	width    int64
	scripts  bool
}

func (l looks) String() string { return l.language + "-" + strconv.FormatInt(l.width, 10) }

// tab is one of somebody's pages.
type tab struct {
	t       *testing.T
	ctx     context.Context // of chromedp, which keeps its tab in it
	looks   looks
	inspect string

	mu       sync.Mutex
	foreign  []string // requests that left origin
	requests int
}

// openTab opens a tab that may load from origin alone.
func openTab(browser context.Context, t *testing.T, l looks, origin string) *tab {
	t.Helper()
	script, err := os.ReadFile("testdata/browser/inspect.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := chromedp.NewContext(browser)
	t.Cleanup(leave)
	b := &tab{t: t, ctx: ctx, looks: l, inspect: string(script)}
	b.do("a tab", chromedp.EmulateViewport(l.width, viewHeight), call(emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: !l.scripts}), call(network.SetExtraHTTPHeaders,
		network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": l.language}}))
	if err := chromedp.Listen(ctx, func(event any) {
		if r, ok := event.(*network.EventRequestWillBeSent); ok {
			b.note(r.Request.URL, origin)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// call is a command of the protocol that answers nothing.
func call[P any](c cdp.Command[P, cdp.Empty], p P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, c, p)
		return chromedp.Void{}, err
	}
}

func (b *tab) note(asked, origin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if u, err := url.Parse(asked); err != nil || u.Scheme+"://"+u.Host != origin {
		b.foreign = append(b.foreign, asked)
	}
}

// wantOwnOrigin holds what the tab loaded against where it may load from.
func (b *tab) wantOwnOrigin() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.foreign) > 0 || b.requests == 0 {
		b.t.Errorf("%d requests, of them elsewhere: %q", b.requests, b.foreign)
	}
}

func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if b.requests == 0 {
		ctx = b.ctx // the first call makes the tab, which lives as long as its context
	}
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// loads does what leads to another page, and returns its status.
func (b *tab) loads(what string, actions ...chromedp.Action[chromedp.Void]) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return r.Status
}

func (b *tab) visit(link string) {
	b.t.Helper()
	if status := b.loads(link, chromedp.Navigate(link)); status != 200 {
		b.t.Fatalf("%s answers %d", link, status)
	}
}

// press clicks the button or link that reads so, in the section where one is named.
func (b *tab) press(text, section string) {
	b.t.Helper()
	b.answers(200, text, section)
}

// answers is press where the page that follows has another status.
func (b *tab) answers(want int64, text, section string) {
	b.t.Helper()
	path := `//*[self::button or self::a][normalize-space()="` + text + `"]`
	if section != "" {
		path = `//section[h2[normalize-space()="` + section + `"]]` + path
	}
	if status := b.loads(text, chromedp.Click(path)); status != want {
		b.t.Fatalf("%q answers %d, want %d", text, status, want)
	}
}

// reads says whether the page has the text.
func (b *tab) reads(text string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	body, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(body, text) {
		b.t.Errorf("the page does not read %q:\n%s", text, body)
	}
}

// shown is what inspect.js tells of a page.
type shown struct {
	Language, Heading, Cookies   string
	Faint, Unnamed, Alike, Small []string
	Texts, Overflow, Scripts     int
	Height                       int64
	Dark                         bool
}

// sound inspects the page in light and dark: everything can be read, is named and fits, in the language of the browser.
// name is that of its pictures.
func (b *tab) sound(name, heading string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.do(scheme, call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		s := b.look()
		if s.Heading != heading || s.Language != b.looks.language || s.Texts == 0 || s.Dark != (scheme == "dark") {
			b.t.Errorf("%s, %s: %q in %q, %d texts, dark: %v; want %q", name, scheme, s.Heading, s.Language, s.Texts, s.Dark, heading)
		}
		if len(s.Faint)+len(s.Unnamed)+len(s.Alike)+len(s.Small) > 0 {
			b.t.Errorf("%s, %s: contrast below 4.5: %q; without a name: %q; of one name: %q; lower than 44 pixels: %q",
				name, scheme, s.Faint, s.Unnamed, s.Alike, s.Small)
		}
		if s.Overflow > 0 || s.Scripts > 0 || s.Cookies != "" {
			b.t.Errorf("%s: %d pixels too wide, %d scripts, cookies %q", name, s.Overflow, s.Scripts, s.Cookies)
		}
		b.picture(name + "-" + b.looks.String() + "-" + scheme)
	}
}

func (b *tab) look() shown {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[shown](b.inspect))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}
