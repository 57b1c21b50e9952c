//go:build linux

package countsink

import (
	"bytes"
	"math/bits"
)

// Samples: one message of sampleEvery, at most sampleCount of them, each cut at sampleSize.
const (
	sampleEvery = 500
	sampleCount = 24
	sampleSize  = 256 << 10
)

// Domain is that of all recipients.
const Domain = "bench.test"

// Report is what arrived since the last Reset.
type Report struct {
	Messages int               `json:"messages"` // transactions that ended with a dot
	Octets   int64             `json:"octets"`   // of their contents, dot-stuffing included
	Broken   int               `json:"broken"`   // connections that ended within a content
	Foreign  int               `json:"foreign"`  // recipients that belong to no series
	Series   map[string]Series `json:"series"`   // by name
	Samples  []Sample          `json:"samples"`
}

// Series is what arrived for the recipients of one name.
type Series struct {
	Total    int `json:"total"`    // recipients, each time they came
	Distinct int `json:"distinct"` // different numbers among them
	Highest  int `json:"highest"`  // number
}

// Sample is one message as it arrived.
type Sample struct {
	From       string   `json:"from"`       // the reverse-path
	Recipients []string `json:"recipients"` // as RCPT named them
	Content    []byte   `json:"content"`    // without the dot that ends it, still stuffed; at most sampleSize octets
	Cut        bool     `json:"cut"`        // there was more
}

// tally is a Report on its way.
type tally struct {
	messages, broken, foreign int
	octets                    int64
	series                    map[string]*series
	samples                   []Sample
	begun                     int // transactions
}

// series keeps a bit for each number.
type series struct {
	seen    []uint64
	total   int
	highest int
}

// recipient is one of a series; nil series: a foreign one.
type recipient struct {
	series *series
	number int
}

// recipient reads an address; digits and a name, at Domain.
func (t *tally) recipient(address []byte) recipient {
	i, number := 0, 0
	for ; i < len(address) && address[i] >= '0' && address[i] <= '9' && i < 9; i++ {
		number = number*10 + int(address[i]-'0')
	}
	name := address[i:]
	at := len(name) - len(Domain) - 1
	if i == 0 || at < 1 || name[at] != '@' || string(name[at+1:]) != Domain {
		return recipient{}
	}
	name = name[:at]
	s := t.series[string(name)]
	if s == nil {
		s = &series{}
		t.series[string(name)] = s
	}
	return recipient{s, number}
}

// arrived counts one message.
func (t *tally) arrived(octets int64, to []recipient) {
	t.messages++
	t.octets += octets
	for _, r := range to {
		if r.series == nil {
			t.foreign++
			continue
		}
		r.series.add(r.number)
	}
}

// sample returns a sample to fill for one transaction of sampleEvery, else nil.
func (t *tally) sample(from []byte) *Sample {
	t.begun++
	if t.begun%sampleEvery != 1 || len(t.samples) >= sampleCount {
		return nil
	}
	return &Sample{From: string(from)}
}

func (t *tally) keep(s *Sample) {
	if !s.Cut {
		s.Content = bytes.TrimSuffix(s.Content, []byte(".\r\n"))
	}
	t.samples = append(t.samples, *s)
}

func (s *series) add(number int) {
	s.total++
	s.highest = max(s.highest, number)
	for number/64 >= len(s.seen) {
		s.seen = append(s.seen, make([]uint64, 1024)...)
	}
	s.seen[number/64] |= 1 << (number % 64)
}

func (s *series) distinct() (n int) {
	for _, word := range s.seen {
		n += bits.OnesCount64(word)
	}
	return n
}

func (t *tally) report() Report {
	r := Report{
		Messages: t.messages, Octets: t.octets, Broken: t.broken, Foreign: t.foreign,
		Series: make(map[string]Series, len(t.series)), Samples: t.samples,
	}
	for name, s := range t.series {
		if s.total > 0 {
			r.Series[name] = Series{Total: s.total, Distinct: s.distinct(), Highest: s.highest}
		}
	}
	return r
}
