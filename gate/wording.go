package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrWordingStands: a wording of this id, version and language stands with another text. Texts never change: what
// people were shown is proof.
var ErrWordingStands = errors.New("wording stands with another text")

// maxWording bounds a text, in octets: evidence carries it whole.
const maxWording = 64 << 10

// WordingText is a text that people were shown when they were asked, kept for ever. SHA256 is that of Text, in hex.
type WordingText struct {
	Wording
	Text  string    `json:"text"`
	Added time.Time `json:"added"`
}

// NewWording makes a wording of a text. Line ends become LF and those at the end are dropped, since editors differ in
// nothing else; the hash is of what is left. Errors name what is wrong.
func NewWording(w Wording, text string, at time.Time) (WordingText, error) {
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	switch {
	case w.ID == "" || w.Version == "" || w.Language == "":
		return WordingText{}, errors.New("a wording needs id, version and language")
	case strings.TrimSpace(text) == "":
		return WordingText{}, errors.New("the text is empty")
	case len(text) > maxWording:
		return WordingText{}, fmt.Errorf("the text is longer than %d KiB", maxWording>>10)
	case !utf8.ValidString(text):
		return WordingText{}, errors.New("the text is not UTF-8")
	}
	if err := (Event{ID: "-", Wording: w}).checkTexts(); err != nil {
		return WordingText{}, err
	}
	sum := sha256.Sum256([]byte(text))
	w.SHA256 = hex.EncodeToString(sum[:])
	return WordingText{Wording: w, Text: text, Added: at.UTC().Truncate(time.Second)}, nil
}

// Same reports whether adding w again changes nothing; the error wraps ErrWordingStands where it would.
func (w WordingText) Same(again WordingText) error {
	if w.Text == again.Text {
		return nil
	}
	return fmt.Errorf("%w: %s, version %s, language %s (sha256 %s): give the new text a version of its own",
		ErrWordingStands, w.ID, w.Version, w.Language, w.SHA256)
}

// Compare orders wordings by id, version and language.
func (w WordingText) Compare(v WordingText) int {
	return cmp.Or(cmp.Compare(w.ID, v.ID), cmp.Compare(w.Version, v.Version), cmp.Compare(w.Language, v.Language))
}
