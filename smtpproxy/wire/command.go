package wire

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Verb is a command of SMTP or LMTP, in capitals. The set is closed; all else is Unknown.
type Verb string

// The verbs of RFC 5321, RFC 2033 (LHLO), RFC 4954 (AUTH), RFC 3207 (STARTTLS) and RFC 3030 (BDAT).
const (
	Unknown  Verb = "UNKNOWN"
	MAIL     Verb = "MAIL"
	RCPT     Verb = "RCPT"
	DATA     Verb = "DATA"
	EHLO     Verb = "EHLO"
	HELO     Verb = "HELO"
	LHLO     Verb = "LHLO"
	RSET     Verb = "RSET"
	NOOP     Verb = "NOOP"
	QUIT     Verb = "QUIT"
	AUTH     Verb = "AUTH"
	STARTTLS Verb = "STARTTLS"
	VRFY     Verb = "VRFY"
	EXPN     Verb = "EXPN"
	HELP     Verb = "HELP"
	BDAT     Verb = "BDAT"
)

// Command is one command line.
type Command struct {
	Verb Verb
	Arg  string // what follows the verb, without blanks around it; UTF-8 without control characters
}

// parseCommand splits a line without its line end.
func parseCommand(line []byte) Command {
	word, arg, _ := bytes.Cut(line, []byte{' '})
	return Command{Verb: parseVerb(word), Arg: string(bytes.Trim(arg, " "))}
}

func parseVerb(word []byte) Verb {
	if len(word) > len(STARTTLS) {
		return Unknown
	}
	s := string(word)
	for _, v := range [...]Verb{
		MAIL, RCPT, DATA, EHLO, HELO, LHLO, RSET, NOOP, QUIT, AUTH, STARTTLS, VRFY, EXPN, HELP, BDAT,
	} {
		if strings.EqualFold(s, string(v)) && len(s) == len(v) { // EqualFold takes U+017F for an S
			return v
		}
	}
	return Unknown
}

// verbOf is the verb a line begins with, whatever else the line holds.
func verbOf(line []byte) Verb {
	word, _, _ := bytes.Cut(line, []byte{' '})
	return parseVerb(bytes.TrimRight(word, "\r\n"))
}

// isText tells whether s is UTF-8 without control characters (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
func isText[T string | []byte](s T) bool {
	ascii := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(string(s)) && !strings.ContainsFunc(string(s), unicode.IsControl)
}
