package wire

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path is the argument of MAIL or RCPT.
type Path struct {
	// Mailbox is what stands between the angle brackets, letter for letter: a quoted local part keeps its quotes.
	// Only a source route is gone. Empty for the null reverse-path. Brackets and quotes are balanced; whether it is a
	// mailbox of RFC 5321 section 4.1.2 is for the reader to judge ("a@b@c" and "postmaster" stand here, too).
	Mailbox string
	Params  []Param
}

// Param is one parameter of an SMTP extension (RFC 5321 section 4.1.1.11), kept so that it can be relayed as it was.
type Param struct {
	Key      string // in capitals
	Value    string // verbatim; xtext is not decoded
	HasValue bool   // false: the key stands alone
}

// ParseMail reads the argument of MAIL: FROM:<reverse-path> and parameters. Errors are *SyntaxError, 501.
func ParseMail(arg string) (Path, error) {
	return parsePath(arg, "FROM:")
}

// ParseRcpt reads the argument of RCPT: TO:<forward-path> and parameters. Errors are *SyntaxError, 501.
func ParseRcpt(arg string) (Path, error) {
	p, err := parsePath(arg, "TO:")
	if err == nil && p.Mailbox == "" {
		return Path{}, badArgument("Empty recipient")
	}
	return p, err
}

// Param returns the parameter with the key, which is given in capitals.
func (p Path) Param(key string) (Param, bool) {
	for _, param := range p.Params {
		if param.Key == key {
			return param, true
		}
	}
	return Param{}, false
}

// Size is the message size that MAIL declares, in octets (RFC 1870 section 4); 0 where it declares none. Sizes beyond
// 63 bits, which the grammar allows, come out as the largest. An error is a *SyntaxError.
func (p Path) Size() (int64, error) {
	param, ok := p.Param("SIZE")
	if !ok {
		return 0, nil
	}
	if len(param.Value) > 20 || strings.Trim(param.Value, "0123456789") != "" || param.Value == "" {
		return 0, badArgument("SIZE is a number of octets")
	}
	n, err := strconv.ParseInt(param.Value, 10, 64)
	if err != nil {
		return math.MaxInt64, nil
	}
	return n, nil
}

// NeedsUTF8 tells whether mailbox or parameters hold non-ASCII: the transaction then needs SMTPUTF8 (RFC 6531).
func (p Path) NeedsUTF8() bool {
	ascii := isASCII(p.Mailbox)
	for _, param := range p.Params {
		ascii = ascii && isASCII(param.Value)
	}
	return !ascii
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// parsePath reads keyword "<" path ">" [ SP parameters ]. One blank behind the colon is no SMTP but common.
func parsePath(arg, keyword string) (Path, error) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return Path{}, badArgument("Expected " + keyword + "<address>")
	}
	if !isText(arg) {
		return Path{}, badArgument("Control characters or invalid UTF-8 in argument")
	}
	path, ok := strings.CutPrefix(strings.TrimPrefix(arg[len(keyword):], " "), "<")
	if !ok {
		return Path{}, badArgument("Address without angle brackets")
	}
	mailbox, rest, ok := cutMailbox(dropRoute(path))
	if !ok || mailbox == "" && !strings.HasPrefix(path, ">") {
		return Path{}, badArgument("Bad address syntax")
	}
	params, err := parseParams(rest)
	if err != nil {
		return Path{}, err
	}
	return Path{Mailbox: mailbox, Params: params}, nil
}

// dropRoute takes a source route off (RFC 5321 section 4.1.1.3 and appendix C): "@a,@b:" before the mailbox. There
// are no quotes in it, so that the first colon ends it.
func dropRoute(s string) string {
	if !strings.HasPrefix(s, "@") {
		return s
	}
	if i := strings.IndexAny(s, ":<>\" \\"); i > 0 && s[i] == ':' {
		return s[i+1:]
	}
	return s
}

// cutMailbox splits s behind the mailbox and its ">". A quoted string (RFC 5321 section 4.1.2) stands only at the
// beginning and is followed by the domain; elsewhere there is no quote, backslash, blank or bracket: so everybody who
// reads on finds the same ">".
func cutMailbox(s string) (mailbox, rest string, ok bool) {
	local := 0
	if strings.HasPrefix(s, "@") { // half a source route
		return "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		if local = quotedLen(s); local == 0 || !strings.HasPrefix(s[local:], "@") {
			return "", "", false
		}
	}
	end := local + strings.IndexAny(s[local:], "<>\" \\")
	if end < local || s[end] != '>' {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// quotedLen is the length of the quoted string that s begins with; 0 where it has no end.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// parseParams reads what follows the path: nothing, or blanks and parameters.
func parseParams(s string) ([]Param, error) {
	if s != "" && s[0] != ' ' {
		return nil, badArgument("Expected a blank behind the address")
	}
	var params []Param
	for word := range strings.SplitSeq(s, " ") {
		if word == "" {
			continue
		}
		key, value, hasValue := strings.Cut(word, "=")
		if !isKeyword(key) || hasValue && (value == "" || strings.Contains(value, "=")) {
			return nil, badArgument("Bad parameter syntax")
		}
		param := Param{Key: strings.ToUpper(key), Value: value, HasValue: hasValue}
		if _, dup := (Path{Params: params}).Param(param.Key); dup {
			return nil, badArgument("Parameter given twice")
		}
		params = append(params, param)
	}
	return params, nil
}

// isKeyword: esmtp-keyword of RFC 5321 section 4.1.2.
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !alnum && (c != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}
