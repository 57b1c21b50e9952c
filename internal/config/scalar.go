package config

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// word returns the single value as it is written; ok is false, with the problem noted, where it is none.
func (v value) word() (s string, ok bool) {
	if v.empty() {
		v.problem("has no value: write one or remove the key")
		return "", false
	}
	switch n := v.node.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.NanNode, *ast.InfinityNode:
		s = n.GetToken().Value
	default:
		v.problem("want a single value; got %s", kind(n))
		return "", false
	}
	if s == "" {
		v.problem("is empty: write a value or remove the key")
		return "", false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.problem("holds a control character or a line break: write it on one line")
		return "", false
	}
	return s, true
}

// converted reads a single value through conv, whose error is a sentence about the value.
func converted[T any](dst *T, conv func(string) (T, error)) reader {
	return func(v value) {
		s, ok := v.word()
		if !ok {
			return
		}
		got, err := conv(s)
		if err != nil {
			v.problem("%q %v", s, err)
			return
		}
		*dst = got
	}
}

func text(dst *string) reader {
	return converted(dst, func(s string) (string, error) { return s, nil })
}

// oneOf reads one word of a closed set.
func oneOf[T ~string](dst *T, words ...T) reader {
	return converted(dst, func(s string) (T, error) { return choose(s, words) })
}

// choose returns s as one of words, or an error that names the nearest.
func choose[T ~string](s string, words []T) (T, error) {
	if slices.Contains(words, T(s)) {
		return T(s), nil
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	return "", errors.New("is not known here: " + suggestion(s, known))
}

func boolean(dst *bool) reader {
	return func(v value) {
		b, ok := v.node.(*ast.BoolNode)
		if !ok {
			v.problem("want true or false")
			return
		}
		*dst = b.Value
	}
}

func number(dst *int, least, most int) reader {
	return converted(dst, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		return n, between(n, err, least, most, strconv.Itoa)
	})
}

func size(dst *int64, least, most int64) reader {
	return converted(dst, func(s string) (int64, error) {
		n, err := parseSize(s)
		return n, between(n, err, least, most, formatSize)
	})
}

func duration(dst *time.Duration, least, most time.Duration) reader {
	return converted(dst, func(s string) (time.Duration, error) {
		d, err := ParseDuration(s)
		return d, between(d, err, least, most, formatDuration)
	})
}

func between[T int | int64 | time.Duration](n T, err error, least, most T, format func(T) string) error {
	if err != nil || n < least || n > most {
		return errors.New("is out of range or no such value: use " + format(least) + " to " + format(most))
	}
	return nil
}

func texts(dst *[]string) reader {
	return gather(dst, func(s string) (string, error) { return s, nil })
}

// gather reads a list of single values through conv. What it reads replaces the default; an entry that cannot be read
// keeps its place, so that problems of those behind it name them right.
func gather[T any](dst *[]T, conv func(string) (T, error)) reader {
	return func(v value) {
		var out []T
		sequence(func(_ int, entry value) {
			var one T
			converted(&one, conv)(entry)
			out = append(out, one)
		})(v)
		if out != nil {
			*dst = out
		}
	}
}

// parseNetwork reads a CIDR prefix or a single address.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, errors.New("is no network: write it as 10.0.0.0/8 or 192.0.2.7")
}
