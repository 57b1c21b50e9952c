package policies

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Case is a story with its outcome: who, what happened when, which mail, when it is sent, and what has to come of it.
type Case struct {
	File string `json:"file" yaml:"-"`
	Line int    `json:"line" yaml:"-"`

	Title    string   `json:"case" yaml:"case"`
	Who      string   `json:"who" yaml:"who"`                           // private person (also where empty) or professional
	Place    string   `json:"place" yaml:"place"`                       // whose law the record names; unknown: none
	Market   string   `json:"market,omitempty" yaml:"market,omitempty"` // the jurisdiction that the stream names
	Enabled  []string `json:"enabled" yaml:"enabled"`                   // jurisdictions of the config; the first is the default
	Happened []string `json:"happened" yaml:"happened"`                 // "2026-03-01 ticked an empty box"; Deeds lists the words
	Mail     string   `json:"mail" yaml:"mail"`                         // newsletter (also where empty), receipt, …
	Sent     string   `json:"sent" yaml:"sent"`                         // a day
	Expect   string   `json:"expect" yaml:"expect"`                     // "sent" or "blocked as REASON"
	Law      string   `json:"law,omitempty" yaml:"law,omitempty"`       // what the citation holds, if that matters

	story story
}

// story is a case as the gate sees it.
type story struct {
	record gate.Record
	stream gate.Stream
	now    time.Time
}

// caseFile is a file of cases; what stands at its top counts for cases that say nothing.
type caseFile struct {
	Place   string   `yaml:"place"`
	Market  string   `yaml:"market"`
	Enabled []string `yaml:"enabled"`
	Cases   []Case   `yaml:"cases"`
}

// Cases are those that come with the program.
func Cases() ([]Case, error) {
	dir, err := fs.Sub(files, "testdata")
	if err != nil {
		return nil, fmt.Errorf("find cases: %w", err)
	}
	return ReadCases(dir, "policies/testdata")
}

// ParseCases reads the cases of one file, whose name its problems carry. Errors are an [Error].
func ParseCases(name string, text []byte) ([]Case, error) {
	cases, problems := parseCases(name, text)
	if len(cases)+len(problems) == 0 {
		problems = []Problem{{File: name, Text: "holds no cases"}}
	}
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	return cases, nil
}

// ReadCases reads the files *.yaml and *.yml at the top of dir; name stands before theirs in problems. The error is an *Error with
// every problem of all files.
func ReadCases(dir fs.FS, name string) ([]Case, error) {
	found, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, &Error{[]Problem{{File: name, Text: "cannot be read: " + cause(err)}}}
	}
	var all []Case
	var problems []Problem
	for _, f := range found {
		if f.IsDir() || !isYAML(f.Name()) {
			continue
		}
		at := path.Join(name, f.Name())
		text, err := fs.ReadFile(dir, f.Name())
		if err != nil {
			problems = append(problems, Problem{File: at, Text: "cannot be read: " + cause(err)})
			continue
		}
		cases, wrong := parseCases(at, text)
		all, problems = append(all, cases...), append(problems, wrong...)
	}
	if len(all)+len(problems) == 0 {
		problems = append(problems, Problem{File: name, Text: "holds no cases: put files NAME.yaml there"})
	}
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	return all, nil
}

func parseCases(name string, text []byte) ([]Case, []Problem) {
	var doc caseFile
	if wrong := decode(name, text, &doc); wrong != nil {
		return nil, []Problem{*wrong}
	}
	var problems []gate.Problem
	places := make([]gate.Problem, len(doc.Cases)) // to find the line of each case
	for i := range doc.Cases {
		c := &doc.Cases[i]
		c.Place, c.Market = cmp.Or(c.Place, doc.Place), cmp.Or(c.Market, doc.Market)
		if c.Enabled == nil {
			c.Enabled = doc.Enabled
		}
		c.Who, c.Mail = cmp.Or(c.Who, "private person"), cmp.Or(c.Mail, "newsletter")
		field := fmt.Sprintf("cases.%d", i)
		for _, p := range c.read() {
			problems = append(problems, gate.Problem{Field: field + "." + p.Field, Text: p.Text})
		}
		places[i].Field = field
	}
	for i, p := range located(name, text, places) { // sorted by line, which is the order of the cases
		doc.Cases[i].File, doc.Cases[i].Line = name, p.Line
	}
	if len(problems) > 0 {
		return nil, located(name, text, problems)
	}
	return doc.Cases, nil
}

// read turns the words into a story, or into what is wrong with them.
func (c *Case) read() []gate.Problem {
	var found []gate.Problem
	problem := func(field, format string, args ...any) {
		found = append(found, gate.Problem{Field: field, Text: fmt.Sprintf(format, args...)})
	}
	stream, ok := mails()[c.Mail]
	if !ok {
		problem("mail", "%q is unknown; use one of %s", c.Mail, strings.Join(slices.Sorted(maps.Keys(mails())), ", "))
	}
	now, err := time.Parse(time.DateOnly, c.Sent)
	if err != nil {
		problem("sent", "%q is no day; write it as 2026-03-01", c.Sent)
	}
	if c.Who != "private person" && c.Who != "professional" {
		problem("who", "%q is unknown; use private person or professional", c.Who)
	}
	if len(c.Enabled) == 0 {
		problem("enabled", "missing; name the jurisdictions of the config, the default first")
	}
	if word, ok := strings.CutPrefix(c.Expect, "blocked as "); c.Expect != "sent" && (!ok || word == "") {
		problem("expect", "%q is unknown; use sent, or blocked as REASON", c.Expect)
	}
	if c.Title == "" {
		problem("case", "missing; say in words what the case shows")
	}
	stream.Jurisdiction, stream.Audience = c.Market, c.audience()
	c.story = story{stream: stream, now: now.Add(12 * time.Hour)}
	events := make([]gate.Event, len(c.Happened))
	for i, words := range c.Happened {
		if events[i], err = c.event(i, words); err != nil {
			problem(fmt.Sprintf("happened.%d", i), "%v", err)
		}
	}
	c.story.record = gate.Fold(events)
	return found
}

func (c *Case) audience() string {
	if c.Who == "professional" {
		return "b2b"
	}
	return "b2c"
}

// event reads "2026-03-01 ticked an empty box". What happened on a day came to pass in the morning, in the order of the
// case; mail is sent at noon.
func (c *Case) event(i int, words string) (gate.Event, error) {
	date, words, _ := strings.Cut(words, " ")
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return gate.Event{}, fmt.Errorf("%q is no day; begin with one, as in 2026-03-01 ticked an empty box", date)
	}
	e, ok := deedOf(words)
	if !ok {
		return gate.Event{}, fmt.Errorf("%q is not understood; docs/policies.md lists what may happen", words)
	}
	e.ID = fmt.Sprintf("case-%d", i)
	e.Time = day.Add(9*time.Hour + time.Duration(i)*time.Minute)
	e.Audience = c.audience()
	if gate.IsJurisdiction(c.Place) {
		e.Jurisdiction = c.Place
	}
	if e.Evidence.SaleRef != "" {
		e.Evidence.SaleRef += " of " + date
	}
	if e.Method == gate.MethodDouble {
		e.Evidence.ConfirmedAt = e.Time
	}
	if e.Time.After(c.story.now) {
		return gate.Event{}, fmt.Errorf("happens after the mail is sent (%s)", c.Sent)
	}
	return e, e.Validate(c.story.now)
}

// Result is what came of a case.
type Result struct {
	Case
	OK       bool        `json:"ok"`
	Got      string      `json:"got"` // as Expect
	Reason   gate.Reason `json:"reason,omitempty"`
	Rule     string      `json:"rule"`
	Citation string      `json:"citation"`
	Hint     string      `json:"hint,omitempty"`
}

// Try decides the case with these packs. It fails where the packs make no policy for it.
func (c Case) Try(packs []gate.Pack) (Result, error) {
	policy, err := gate.NewPolicy(packs, c.Enabled, c.Enabled[0])
	if err == nil {
		err = policy.CheckStream(&c.story.stream)
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s:%d: %w", c.File, c.Line, err)
	}
	person, err := gate.ParseAddress("person@example.com")
	if err != nil {
		return Result{}, err
	}
	d := policy.Decide(c.story.now, &c.story.stream, person, gate.Lookup{Record: c.story.record})
	r := Result{Case: c, Got: "sent", Reason: d.Reason, Rule: d.Rule, Citation: d.Citation, Hint: d.Hint}
	if d.Verdict != gate.Permit {
		r.Got = "blocked as " + string(d.Reason)
	}
	r.OK = r.Got == c.Expect && strings.Contains(d.Citation, c.Law)
	return r, nil
}

// String tells the case in words.
func (c Case) String() string {
	place := "in " + c.Place
	if !gate.IsJurisdiction(c.Place) {
		place = "of unknown place"
	}
	past := "nothing on record"
	if len(c.Happened) > 0 {
		past = strings.Join(c.Happened, "; ")
	}
	return fmt.Sprintf("%s %s: %s; then %s on %s", c.Who, place, past, c.Mail, c.Sent)
}
