package formlint

import "strings"

// control judges one control.
func (l *linter) control(n *node) {
	kind := strings.ToLower(n.get("type"))
	switch {
	case isBox(n):
		l.box(n)
	case n.tag == "select":
		l.choice(n)
	case n.tag == "input" && kind == "radio":
		l.radio(n)
	case n.tag == "input" && kind == "hidden":
		l.hidden(n)
	}
}

// asking reports whether what speaks so asks for consent. Cookies that need none do not.
func asking(c class) bool {
	if c&necessary != 0 && c&(marketing|sharing|nameMarketing) == 0 {
		return false
	}
	return c&asks != 0 || c&privacy != 0 && c&accept != 0
}

func (l *linter) box(n *node) {
	label := l.label(n)
	c := l.speaks(label) | l.isCalled(n)
	if l.bare(label) {
		c |= l.speaks(l.question(n))
	}
	if !asking(c) {
		return
	}
	l.boxes++
	ticked := n.has("checked") && n.tag == "input" || strings.EqualFold(n.get("aria-checked"), "true")
	refuses := c&(unwanted|nameOptOut) != 0 && c&untick == 0 // a tick is a no
	switch {
	case ticked && !refuses && (n.has("disabled") || strings.EqualFold(n.get("aria-disabled"), "true")):
		l.add(n, label, locked())
	case ticked && !refuses:
		l.add(n, label, preTicked())
	}
	if c&untick != 0 || refuses && !ticked {
		l.add(n, label, optOutWording())
	}
	l.bundles(n, label)
	wants := c&(marketing|sharing|nameMarketing) != 0 && !refuses
	if wants && (n.has("required") || strings.EqualFold(n.get("aria-required"), "true")) && !l.isSignUp(n) {
		l.add(n, label, demanded())
	}
}

// bare reports a label that says nothing by itself, such as "Yes, please".
func (l *linter) bare(label string) bool {
	return label == "" || len(strings.Fields(label)) <= 3 && l.speaks(label)&yes != 0
}

func (l *linter) bundles(n *node, label string) {
	words := split(label)
	if l.speaks(label)&marketing == 0 {
		return
	}
	if l.takesTerms(words) {
		l.add(n, label, bundledTerms())
	}
	if l.addsPartners(words) {
		l.add(n, label, severalPurposes())
	}
}

// takesTerms reports whether a label about mail accepts something else besides. A pointer to the privacy notice does not:
// "newsletter, see our privacy policy" has no verb that accepts the notice, "I have read the privacy policy and want the
// newsletter" has one, in the same clause. Terms that follow "and" also belong to a verb before it.
func (l *linter) takesTerms(words []string) bool {
	accepted := false // in this sentence
	for _, c := range l.clauses(words) {
		if c.sentence {
			accepted = false
		}
		if c.class&accept != 0 && c.class&(terms|privacy) != 0 || c.joined && accepted && c.class&terms != 0 {
			return true
		}
		accepted = accepted || c.class&accept != 0
	}
	return false
}

// clause is a part of a sentence, to the next stop, comma, "and", or word about mail.
type clause struct {
	class            class
	sentence, joined bool // begins a sentence; follows an "and"
}

func (l *linter) clauses(words []string) []clause {
	all := []clause{{sentence: true}}
	for i := range words {
		c := l.text.at(words, i)
		switch {
		case words[i] == stop:
			all = append(all, clause{sentence: true})
		case c&joins != 0:
			all = append(all, clause{joined: true})
		case words[i] == pause, c&marketing != 0:
			all = append(all, clause{})
		default:
			all[len(all)-1].class |= c
		}
	}
	return all
}

// addsPartners reports whether a label about mail goes on to partners with an "and", instead of being about theirs alone.
func (l *linter) addsPartners(words []string) bool {
	const near = 4
	last := -near - 1
	for i := range words {
		c := l.text.at(words, i)
		switch {
		case c&sharing != 0:
			return i-last <= near
		case c&joins != 0:
			last = i
		case words[i] == stop:
			last = -near - 1
		}
	}
	return false
}

// radio judges the button of a group that is chosen beforehand.
func (l *linter) radio(n *node) {
	if !n.has("checked") {
		return
	}
	label := l.label(n)
	question := l.question(n)
	if !asking(l.speaks(label) | l.speaks(question) | l.isCalled(n)) {
		return
	}
	l.boxes++
	if l.saysYes(label, n.get("value")) {
		l.add(n, strings.TrimSpace(question+" "+label), preSelected())
	}
}

// saysYes reports whether an answer is a yes, by its first word, else by what it says, else by its value.
func (l *linter) saysYes(label, value string) bool {
	if words := split(label); len(words) > 0 {
		if first := l.text.at(words, 0); first&(yes|no) != 0 {
			return first&yes != 0
		}
	}
	switch c := l.speaks(label); {
	case c&(no|unwanted) != 0:
		return false
	case c&(yes|marketing|sharing) != 0:
		return true
	}
	c := l.speaks(nameWords(value))
	return c&yes != 0 && c&no == 0
}

// choice judges the option of a select that is chosen beforehand: the one that says so, else the first of a list that
// shows one.
func (l *linter) choice(n *node) {
	chosen := selected(n)
	if chosen == nil {
		return
	}
	label := l.label(n)
	if label == "" {
		label = l.question(n)
	}
	answer := chosen.words()
	if !asking(l.speaks(label) | l.isCalled(n) | l.speaks(answer)) {
		return
	}
	l.boxes++
	if l.saysYes(answer, chosen.get("value")) {
		l.add(n, strings.TrimSpace(label+" "+answer), preSelected())
	}
}

func selected(n *node) *node {
	var first, chosen *node
	n.walk(func(k *node) bool {
		switch {
		case k.tag != "option":
		case k.has("selected"):
			chosen = k
		case first == nil && !k.has("disabled"):
			first = k
		}
		return true
	}, func(*node) {})
	if chosen == nil && !n.has("multiple") && (n.get("size") == "" || n.get("size") == "1") {
		return first
	}
	return chosen
}

// hidden judges a field that people do not see. In a form that only signs up it repeats what the button says.
func (l *linter) hidden(n *node) {
	c := l.isCalled(n)
	if c&(nameMarketing|nameConsent) == 0 || c&(namePlumbing|nameOptOut) != 0 {
		return
	}
	l.boxes++
	value := l.speaks(nameWords(n.get("value")))
	if value&yes != 0 && value&no == 0 && !l.isSignUp(n) {
		l.add(n, "", hiddenYes())
	}
}

// sentences finds consent that is taken from a click: in the texts of a page that has something to click.
func (l *linter) sentences() {
	if len(l.place) == 0 {
		return
	}
	for _, s := range l.spoken() {
		c := l.text.in(s.text)
		if c&lead == 0 || c&marketing == 0 || c&(accept|receive|consent) == 0 || l.isSignUp(s.node) {
			continue
		}
		l.found = append(l.found, found{s.at, noBox(), s.text, ""})
	}
}

// sentence is a sentence of the page that is no label.
type sentence struct {
	text string
	node *node // where it begins
	at   int
}

// spoken joins the texts of each line, whatever elements they stand in, and parts them into sentences.
func (p *page) spoken() []sentence {
	var all []sentence
	var line []*node
	for _, it := range append(p.items, item{kind: breakItem}) {
		switch {
		case it.kind != textItem:
			all = append(all, sentencesOf(line)...)
			line = line[:0]
		case !p.taken[it.node]:
			line = append(line, it.node)
		}
	}
	return all
}

func sentencesOf(line []*node) []sentence {
	var all []sentence
	var b strings.Builder
	var begin sentence
	end := func() {
		if begin.text = strings.TrimSpace(b.String()); begin.text != "" {
			all = append(all, begin)
		}
		b.Reset()
	}
	for _, n := range line {
		for i, r := range n.text {
			if b.Len() == 0 {
				if strings.ContainsRune(" \t\r\n\u00a0", r) {
					continue
				}
				begin = sentence{node: n, at: n.offset(i)}
			}
			b.WriteRune(r)
			if strings.ContainsRune(".!?", r) {
				end()
			}
		}
	}
	end()
	return all
}

// offset is where an octet of a text stands in the source; the beginning of the text where entities shift it.
func (n *node) offset(i int) int {
	if n.source != n.text {
		return n.at + len(n.source) - len(strings.TrimLeft(n.source, " \t\r\n"))
	}
	return n.at + i
}
