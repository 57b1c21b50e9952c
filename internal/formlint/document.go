package formlint

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxDepth bounds how deep elements nest; what is deeper hangs on the last that is not.
const maxDepth = 256

// node is an element or a text with its place in the source. html.Parse would make a better tree, and forget the places.
type node struct {
	tag    string // lower case; empty for a text
	attr   []html.Attribute
	at     int    // offset in the source
	source string // of the start tag
	text   string // of a text, entities resolved
	parent *node
	kids   []*node
}

// document is a page as a tree.
type document struct {
	root   *node
	ids    map[string]*node
	labels map[string][]*node // by what they are for
	forms  int
}

// parse reads a page as a browser would that forgives everything and moves nothing.
func parse(src string) *document {
	d := &document{root: &node{}, ids: make(map[string]*node), labels: make(map[string][]*node)}
	b := builder{doc: d, open: []*node{d.root}, count: make(map[string]int)}
	z := html.NewTokenizer(strings.NewReader(src))
	for at := 0; ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return d
		}
		raw := len(z.Raw())
		b.token(z, kind, at, src[at:at+raw])
		at += raw
	}
}

// builder is a document that is being read.
type builder struct {
	doc   *document
	open  []*node        // from the root to where we are
	count map[string]int // of open elements, by tag
}

func (b *builder) token(z *html.Tokenizer, kind html.TokenType, at int, raw string) {
	switch kind {
	case html.TextToken:
		b.add(&node{at: at, source: raw, text: string(z.Text())})
	case html.StartTagToken, html.SelfClosingTagToken:
		t := z.Token()
		if t.Data == "noscript" {
			z.NextIsNotRawText() // to us it is what the page shows
		}
		b.start(&node{tag: t.Data, attr: t.Attr, at: at, source: raw})
	case html.EndTagToken:
		b.end(z.Token().Data)
	}
}

func (b *builder) add(n *node) {
	top := b.open[len(b.open)-1]
	n.parent = top
	top.kids = append(top.kids, n)
}

func (b *builder) start(n *node) {
	if n.tag == "option" || n.tag == "label" {
		b.end(n.tag) // neither holds one of its own kind
	}
	if n.tag == "form" && b.count["form"] > 0 {
		return // forms do not nest: the inner tag is passed over
	}
	b.add(n)
	b.note(n)
	if slices.Contains(voids(), n.tag) || len(b.open) >= maxDepth {
		return
	}
	b.open = append(b.open, n)
	b.count[n.tag]++
}

func (b *builder) note(n *node) {
	if id := n.get("id"); id != "" && b.doc.ids[id] == nil {
		b.doc.ids[id] = n
	}
	switch n.tag {
	case "form":
		b.doc.forms++
	case "label":
		if id := n.get("for"); id != "" {
			b.doc.labels[id] = append(b.doc.labels[id], n)
		}
	}
}

// end closes the innermost element of this tag and all within it.
func (b *builder) end(tag string) {
	for b.count[tag] > 0 {
		last := b.open[len(b.open)-1]
		b.open = b.open[:len(b.open)-1]
		b.count[last.tag]--
		if last.tag == tag {
			return
		}
	}
}

// voids are the elements without content.
func voids() []string {
	return []string{
		"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
	}
}

func (n *node) get(key string) string {
	v, _ := n.lookup(key)
	return v
}

func (n *node) has(key string) bool {
	_, ok := n.lookup(key)
	return ok
}

func (n *node) lookup(key string) (string, bool) {
	for _, a := range n.attr {
		if a.Key == key {
			return strings.TrimSpace(a.Val), true
		}
	}
	return "", false
}

// within returns the nearest element of this tag around n, nil for none.
func (n *node) within(tag string) *node {
	for p := n.parent; p != nil; p = p.parent {
		if p.tag == tag {
			return p
		}
	}
	return nil
}

// walk visits n and all below it in the order of the source, where enter allows; leave comes after an element's content.
func (n *node) walk(enter func(*node) bool, leave func(*node)) {
	if !enter(n) {
		return
	}
	for _, k := range n.kids {
		k.walk(enter, leave)
	}
	leave(n)
}

// words is the text that people read in n, in one line.
func (n *node) words() string {
	var b strings.Builder
	n.walk(func(k *node) bool {
		if k != n && silent(k.tag) {
			return false
		}
		b.WriteString(k.text)
		if k.tag == "br" || block(k.tag) {
			b.WriteByte(' ')
		}
		return b.Len() < maxLabel
	}, func(*node) {})
	return clip(b.String(), maxLabel)
}

// silent reports an element whose content is no text of the page.
func silent(tag string) bool {
	switch tag {
	case "script", "style", "title", "select", "textarea", "button", "iframe", "noembed", "noframes", "xmp", "svg", "datalist", "head":
		return true
	}
	return false
}

// block reports an element that begins a line of its own.
func block(tag string) bool {
	switch tag {
	case "address", "article", "aside", "blockquote", "body", "br", "dd", "details", "dialog", "div", "dl", "dt", "fieldset",
		"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend", "li",
		"main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul":
		return true
	}
	return false
}

// clip puts a text on one line of at most so many characters.
func clip(s string, limit int) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
