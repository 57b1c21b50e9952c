package formlint

import (
	"slices"
	"strings"
)

// Bounds of what is looked at for one control, so that a hostile page costs no more than its length.
const (
	maxLabel  = 600 // characters of a label
	maxLabels = 8   // elements that name it
	maxGroup  = 200 // items of a group of radio buttons
)

// item is a piece of the page in reading order: a text, a control, or where a line ends.
type item struct {
	kind itemKind
	node *node
}

type itemKind int

const (
	textItem itemKind = iota
	controlItem
	breakItem
)

// page is a document with what stands beside what.
type page struct {
	*document
	items []item
	place map[*node]int    // of controls, in items
	taken map[*node]bool   // texts that are the label of a control
	texts map[*node]string // of labels
}

func newPage(src string) *page {
	p := &page{document: parse(src), place: make(map[*node]int), taken: make(map[*node]bool), texts: make(map[*node]string)}
	p.root.walk(p.enter, p.leave)
	return p
}

func (p *page) enter(n *node) bool {
	switch {
	case n.tag == "" && n.parent != nil:
		p.items = append(p.items, item{textItem, n})
	case isControl(n):
		p.place[n] = len(p.items)
		p.items = append(p.items, item{controlItem, n})
		return false
	case block(n.tag):
		p.items = append(p.items, item{breakItem, n})
	}
	return !silent(n.tag)
}

func (p *page) leave(n *node) {
	if block(n.tag) {
		p.items = append(p.items, item{breakItem, n})
	}
}

func isControl(n *node) bool {
	switch n.tag {
	case "input", "select", "textarea", "button":
		return true
	}
	return isBox(n)
}

// isBox reports a box that is ticked: a checkbox, or an element that plays one.
func isBox(n *node) bool {
	role := strings.ToLower(n.get("role"))
	return n.tag == "input" && strings.EqualFold(n.get("type"), "checkbox") || n.tag != "input" && (role == "checkbox" || role == "switch")
}

// label is the text that says what a control is for, by the standards first: aria-labelledby, aria-label, label for and
// around, its own content, title; else what stands beside it.
func (p *page) label(n *node) string {
	parts := []string{p.named(n)}
	if id := n.get("id"); id != "" {
		for _, l := range p.labels[id][:min(len(p.labels[id]), maxLabels)] {
			parts = append(parts, p.take(l))
		}
	}
	if l := n.within("label"); l != nil && l.get("for") == "" {
		parts = append(parts, p.gather(n, -1, l), p.gather(n, 1, l))
	}
	if n.tag != "input" && n.tag != "select" {
		parts = append(parts, n.words())
	}
	parts = append(parts, n.get("title"))
	if text := clip(strings.Join(parts, " "), maxLabel); text != "" {
		return text
	}
	return clip(p.beside(n), maxLabel)
}

// named is what the ARIA attributes of an element call it.
func (p *page) named(n *node) string {
	parts := []string{n.get("aria-label")}
	for id := range strings.FieldsSeq(n.get("aria-labelledby")) {
		if other := p.ids[id]; other != nil && len(parts) <= maxLabels {
			parts = append(parts, p.take(other))
		}
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// take is the text of a label, which from now on is one.
func (p *page) take(l *node) string {
	if text, known := p.texts[l]; known {
		return text
	}
	l.walk(func(k *node) bool {
		if k.tag == "" {
			p.taken[k] = true
		}
		return true
	}, func(*node) {})
	p.texts[l] = l.words()
	return p.texts[l]
}

// gather is the text from a control on in one direction, to the next control, within the label around it.
func (p *page) gather(n *node, step int, label *node) string {
	return p.collect(p.place[n], step, func(it item, _ bool) bool { return !it.node.below(label) })
}

// collect is the text from an item on in one direction, to a control or where ends says so, which is told whether there
// is text already. Texts that are collected are labels.
func (p *page) collect(i, step int, ends func(it item, found bool) bool) string {
	var texts []string
	size, found := 0, false
	for i += step; i >= 0 && i < len(p.items) && size < maxLabel; i += step {
		it := p.items[i]
		if it.kind == controlItem || ends(it, found) {
			break
		}
		if it.kind == textItem {
			p.taken[it.node] = true
			size += len(it.node.text) + 1
			found = found || strings.TrimSpace(it.node.text) != ""
			texts = append(texts, it.node.text)
		}
	}
	if step < 0 {
		slices.Reverse(texts)
	}
	return strings.Join(texts, "")
}

func (n *node) below(top *node) bool {
	for p := n; p != nil; p = p.parent {
		if p == top {
			return true
		}
	}
	return false
}

// beside is the text behind a control on its line, else before it, else the next one behind, as in a table.
func (p *page) beside(n *node) string {
	endOfLine := func(it item, _ bool) bool { return it.kind == breakItem }
	nextText := func(it item, found bool) bool { return it.kind == breakItem && (found || it.node.tag == "form") }
	i := p.place[n]
	for _, text := range []string{p.collect(i, 1, endOfLine), p.collect(i, -1, endOfLine)} {
		if strings.TrimSpace(text) != "" {
			return text
		}
	}
	return p.collect(i, 1, nextText)
}

// question is what a group of radio buttons or a choice is about: the legend or name of the group, else the text before
// that is no label of another.
func (p *page) question(n *node) string {
	var parts []string
	if f := n.within("fieldset"); f != nil {
		for _, k := range f.kids[:min(len(f.kids), maxLabels)] {
			if k.tag == "legend" {
				parts = append(parts, k.words())
			}
		}
	}
	for g := n.parent; g != nil; g = g.parent {
		if role := g.get("role"); role == "radiogroup" || role == "group" {
			parts = append(parts, p.named(g))
		}
	}
	if text := clip(strings.Join(parts, " "), maxLabel); text != "" {
		return text
	}
	return clip(p.collect(p.firstOf(n), -1, func(it item, found bool) bool {
		return it.kind == breakItem && (found || it.node.tag == "form") || it.kind == textItem && p.taken[it.node]
	}), maxLabel)
}

// firstOf is the place of the first radio button of a group.
func (p *page) firstOf(n *node) int {
	first := p.place[n]
	for i := first; i >= max(0, p.place[n]-maxGroup); i-- {
		k := p.items[i].node
		if p.items[i].kind == controlItem && k.tag == n.tag && k.get("name") == n.get("name") && k.get("type") == n.get("type") {
			first = i
		}
	}
	return first
}
