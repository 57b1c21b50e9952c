package unsub

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
)

// A language is one file here: locales/LANG.yaml, with every key of locale.
//
//go:embed locales/*.yaml
var localeFiles embed.FS

// fallbackLang is spoken where a browser asks for none of ours.
const fallbackLang = "en"

// text is the heading of a page and the sentence below it.
type text struct {
	Title string `yaml:"title"`
	Lead  string `yaml:"lead"`
}

// locale is the texts of one language. In them {purpose}, {sender}, {date} and such stand for what say puts there.
type locale struct {
	Lang string `yaml:"-"` // of the file's name

	Name         string   `yaml:"name"` // of the language, in itself
	Months       []string `yaml:"months"`
	Date         string   `yaml:"date"` // with {day}, {month}, {year}
	FirstOfMonth string   `yaml:"first_of_month"`

	Everything string `yaml:"everything"`
	Sender     string `yaml:"sender"` // where no brand is configured

	Labels struct {
		Address   string `yaml:"address"`
		Mail      string `yaml:"mail"`
		Purpose   string `yaml:"purpose"`
		Sender    string `yaml:"sender"`
		Date      string `yaml:"date"`
		How       string `yaml:"how"`
		Where     string `yaml:"where"`
		Wording   string `yaml:"wording"`
		Confirmed string `yaml:"confirmed"`
		Stopped   string `yaml:"stopped"`
		Privacy   string `yaml:"privacy"`
		Languages string `yaml:"languages"`
	} `yaml:"labels"`

	Buttons struct {
		Unsubscribe string `yaml:"unsubscribe"`
		StopAll     string `yaml:"stop_all"`
		Stop        string `yaml:"stop"`
		Undo        string `yaml:"undo"`
		Ask         string `yaml:"ask"`
		Send        string `yaml:"send"`
		Confirm     string `yaml:"confirm"`
		Preferences string `yaml:"preferences"`
		Back        string `yaml:"back"`
	} `yaml:"buttons"`

	Mail struct { // that asks to confirm
		Subject string `yaml:"subject"`
		What    string `yaml:"what"`
		Act     string `yaml:"act"`
		Until   string `yaml:"until"`
		NotYou  string `yaml:"not_you"`
		Fact    string `yaml:"fact"`
		Page    string `yaml:"page"` // the preference page as a place
	} `yaml:"mail"`

	StopMail struct { // that passes on a no said by a form
		Subject string `yaml:"subject"`
		What    string `yaml:"what"`
		Act     string `yaml:"act"`
		Until   string `yaml:"until"`
		NotYou  string `yaml:"not_you"`
	} `yaml:"stop_mail"`

	Pages struct {
		Ask         text `yaml:"ask"`
		Done        text `yaml:"done"`
		Accepted    text `yaml:"accepted"`
		Undone      text `yaml:"undone"`
		NoUndo      text `yaml:"no_undo"`
		Preferences text `yaml:"preferences"`
		Confirm     text `yaml:"confirm"`
		Confirmed   text `yaml:"confirmed"`
		NotOpen     text `yaml:"not_open"`
		Failed      text `yaml:"failed"`
		NotFound    text `yaml:"not_found"`
		Refused     text `yaml:"refused"`

		// Answers to a form.
		SignedUp   text `yaml:"signed_up"`
		LookInto   text `yaml:"look_into"`
		SaidNo     text `yaml:"said_no"`
		Unticked   text `yaml:"unticked"`
		Ticked     text `yaml:"ticked"`
		Unread     text `yaml:"unread"`
		BadAddress text `yaml:"bad_address"`
		TooMany    text `yaml:"too_many"`
	} `yaml:"pages"`

	Notes struct {
		Needed      string `yaml:"needed"`
		Undo        string `yaml:"undo"`
		All         string `yaml:"all"`
		AllStopped  string `yaml:"all_stopped"`
		Unavailable string `yaml:"unavailable"`
		AskSender   string `yaml:"ask_sender"`
		Requested   string `yaml:"requested"`
		NoMessage   string `yaml:"no_message"`
		Bounced     string `yaml:"bounced"`
		Suppressed  string `yaml:"suppressed"`
		WhatConfirm string `yaml:"what_confirm"`
	} `yaml:"notes"`

	// Acts is what a page says of an act just done on it.
	Acts struct {
		Stopped  string `yaml:"stopped"`
		Accepted string `yaml:"accepted"`
		Undone   string `yaml:"undone"`
		Asked    string `yaml:"asked"`
		NotSent  string `yaml:"not_sent"`
		Mailed   string `yaml:"mailed"`
	} `yaml:"acts"`

	Why struct {
		Question string `yaml:"question"`
		Answer   string `yaml:"answer"`
		Nothing  string `yaml:"nothing"`
		Unknown  string `yaml:"unknown"`
	} `yaml:"why"`

	Standings map[standing]string `yaml:"standings"`
	Methods   map[string]string   `yaml:"methods"` // by gate.Method
	Sources   map[string]string   `yaml:"sources"` // by source.kind
	Vias      map[string]string   `yaml:"vias"`    // by gate.Via
}

// loadLocales reads every language, the fallback first.
func loadLocales(files fs.FS) ([]*locale, error) {
	names, err := fs.Glob(files, "locales/*.yaml")
	if err != nil {
		return nil, err
	}
	var locales []*locale
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		l := &locale{Lang: strings.TrimSuffix(path.Base(name), ".yaml")}
		if err := yaml.UnmarshalWithOptions(data, l, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if l.Lang == fallbackLang {
			locales = append([]*locale{l}, locales...)
			continue
		}
		locales = append(locales, l)
	}
	return locales, nil
}

// Day is a date as people of the language write it.
func (l *locale) Day(t time.Time) string {
	t = t.UTC()
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = l.FirstOfMonth
	}
	return say(l.Date, "day", day, "month", l.Months[t.Month()-1], "year", strconv.Itoa(t.Year()))
}

// say puts values in the places that a text has for them: names and values in turn.
func say(text string, namesAndValues ...string) string {
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		namesAndValues[i] = "{" + namesAndValues[i] + "}"
	}
	return strings.NewReplacer(namesAndValues...).Replace(text)
}

// PurposeNames are what purposes are called on the pages: purpose → language → name. What is missing is shown by the
// purpose's own name.
type PurposeNames map[string]map[string]string

func (n PurposeNames) of(l *locale, purpose string) string {
	if purpose == gate.AllPurposes {
		return l.Everything
	}
	return cmp.Or(n[purpose][l.Lang], titled(purpose))
}

// Languages lists what the pages speak.
func Languages() []string {
	names, _ := fs.Glob(localeFiles, "locales/*.yaml") // the pattern is good
	for i, name := range names {
		names[i] = strings.TrimSuffix(path.Base(name), ".yaml")
	}
	return names
}

// titled is the name of a purpose or stream as a heading: names are of a-z, 0-9, _ . and -.
func titled(name string) string {
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_.-", r) }), " ")
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
