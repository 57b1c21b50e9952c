package formlint

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// lexicon finds the words of all languages in a text.
type lexicon struct {
	first map[string][]phrase // by the first word
	wild  []phrase            // whose first word may begin or end otherwise
}

// phrase is words in a row.
type phrase struct {
	class class
	words []pattern
}

// pattern is one word, or any with this beginning, end or middle.
type pattern struct {
	text           string
	before, behind bool // anything may stand there
}

func (p pattern) fits(word string) bool {
	switch {
	case p.before && p.behind:
		return strings.Contains(word, p.text)
	case p.before:
		return strings.HasSuffix(word, p.text)
	case p.behind:
		return strings.HasPrefix(word, p.text)
	}
	return word == p.text
}

// textLexicon is for what people read, nameLexicon for names and ids.
func textLexicon() *lexicon {
	l := &lexicon{first: make(map[string][]phrase)}
	for _, lang := range languages() {
		l.add(lang.words)
	}
	return l
}

func nameLexicon() *lexicon {
	l := &lexicon{first: make(map[string][]phrase)}
	l.add(names())
	return l
}

func (l *lexicon) add(words map[class][]string) {
	for c, texts := range words {
		for _, text := range texts {
			p := phrase{class: c, words: patterns(text)}
			if first := p.words[0]; first.before || first.behind {
				l.wild = append(l.wild, p)
			} else {
				l.first[first.text] = append(l.first[first.text], p)
			}
		}
	}
}

// patterns reads an entry of the table. A star stands at the beginning or the end of a word.
func patterns(text string) []pattern {
	var out []pattern
	for part := range strings.FieldsSeq(text) {
		before, behind := strings.HasPrefix(part, "*"), strings.HasSuffix(part, "*")
		words := split(part)
		for i, w := range words {
			out = append(out, pattern{w, before && i == 0, behind && i == len(words)-1})
		}
	}
	return out
}

// at returns what begins at a word.
func (l *lexicon) at(words []string, i int) class {
	var found class
	for _, list := range [][]phrase{l.first[words[i]], l.wild} {
		for _, p := range list {
			if p.fits(words[i:]) {
				found |= p.class
			}
		}
	}
	return found
}

func (p phrase) fits(words []string) bool {
	if len(words) < len(p.words) {
		return false
	}
	for i, w := range p.words {
		if !w.fits(words[i]) {
			return false
		}
	}
	return true
}

// in is every class that a text has a word of.
func (l *lexicon) in(text string) class {
	words := split(text)
	var all class
	for i := range words {
		all |= l.at(words, i)
	}
	return all
}

// stop stands among words for punctuation that ends a thought; pause for a comma.
const (
	stop  = "."
	pause = ","
)

// split returns the words of a text, folded: lower case, without accents. Apostrophes and hyphens part words as spaces do.
func split(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() == 0 {
			return
		}
		if n := len(words) - 1; n >= 0 && words[n] == "e" && strings.HasPrefix(word.String(), "mail") {
			words[n] += word.String() // e-mail has no "e", which is "and" to some
		} else {
			words = append(words, word.String())
		}
		word.Reset()
	}
	for _, r := range norm.NFKD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word.WriteRune(unicode.ToLower(r))
		case strings.ContainsRune(".;:!?", r):
			end()
			words = append(words, stop)
		case r == ',' || r == '(' || r == ')':
			end()
			words = append(words, pause)
		default:
			end()
		}
	}
	end()
	return words
}

// nameWords parts newsletterOptIn and newsletter_opt-in alike.
func nameWords(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte(' ')
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		}
		b.WriteRune(r)
		lower = unicode.IsLower(r) || unicode.IsDigit(r)
	}
	return b.String()
}
