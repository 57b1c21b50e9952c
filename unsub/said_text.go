package unsub

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// Texts are the wordings that people were shown; gate.Wordings has them.
type Texts interface {
	WordingTexts(ctx context.Context, id string) ([]gate.WordingText, error)
}

// said tells what the person said about a purpose, with the text they read.
func (h *handler) said(ctx context.Context, l *locale, p gate.Person, purpose string) *said {
	c := p.Record.For(purpose)
	return h.withText(ctx, saidOf(l, p.Events, purpose, c), p.Events, purpose, c)
}

// withText adds the text that the person read to what was said, where it is kept. Otherwise its name has to do.
func (h *handler) withText(ctx context.Context, s *said, events []gate.Event, purpose string, c gate.Consent) *said {
	grant, ok := grantOf(events, purpose, c)
	if s == nil || !ok || grant.Wording.ID == "" {
		return s
	}
	w := grant.Wording
	if s.Text = h.ownText(w, purpose); s.Text == "" {
		s.Text = h.keptText(ctx, w)
	}
	if s.Text != "" {
		s.TextLang = w.Language
	}
	return s
}

// ownText is the text of our own page, while it is what the person read there.
func (h *handler) ownText(w gate.Wording, purpose string) string {
	l := h.pages.named(w.Language)
	lines := []string{h.pages.purposeName(l, purpose), l.Buttons.Ask}
	if w != wordingOf(l, "preference-page", lines...) {
		return ""
	}
	return strings.Join(lines, "\n")
}

// keptText is the one text that the wording can mean, empty where there is none, or several. A page has to show it in
// the time that it waits for the store.
func (h *handler) keptText(ctx context.Context, w gate.Wording) string {
	if h.Texts == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	kept, err := h.Texts.WordingTexts(ctx, w.ID)
	if err != nil {
		h.Log.Warn("wording is shown by its id", "wording", w.ID, "error", err)
		return ""
	}
	another := func(k gate.WordingText) bool { return !means(w, k) }
	if kept = slices.DeleteFunc(kept, another); len(kept) != 1 {
		return ""
	}
	return kept[0].Text
}

// means reports whether an event's wording may be this text. What the event leaves open fits everything, and a hash
// nothing but its own text.
func means(w gate.Wording, k gate.WordingText) bool {
	return w.ID == k.ID && cmp.Or(w.Version, k.Version) == k.Version && cmp.Or(w.Language, k.Language) == k.Language &&
		cmp.Or(w.SHA256, k.SHA256) == k.SHA256
}
