package metrics

import (
	"bytes"
	"strconv"
	"strings"
)

// prefix is that of every name of our own.
const prefix = "consentgate_"

func head(b *bytes.Buffer, name, kind, help string) {
	b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

func sample(b *bytes.Buffer, name, labels string, v float64) {
	b.WriteString(name)
	if labels != "" {
		b.WriteString("{" + labels + "}")
	}
	b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// escape is the format's: backslash, quote and line feed.
func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
}

// bounds are the histogram's upper bounds in seconds: a withdrawal should take less than one, and has to take effect
// within two days wherever a law or a mailbox provider says a time.
func bounds() []float64 { return []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 60, 600, 3600, 86400, 172800} }

type histogram struct {
	counts []int64 // up to each bound, and not in a lower one
	n      int64
	sum    float64
}

func (h *histogram) observe(v float64) {
	h.n++
	h.sum += v
	for i, bound := range bounds() {
		if v <= bound {
			h.counts[i]++
			return
		}
	}
}

func (h *histogram) write(b *bytes.Buffer, name, help string) {
	head(b, name, "histogram", help)
	var below int64
	for i, bound := range bounds() {
		below += h.counts[i]
		sample(b, name+"_bucket", `le="`+strconv.FormatFloat(bound, 'f', -1, 64)+`"`, float64(below))
	}
	sample(b, name+"_bucket", `le="+Inf"`, float64(h.n))
	sample(b, name+"_sum", "", h.sum)
	sample(b, name+"_count", "", float64(h.n))
}
