package policies

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// Entry is a pack in force.
type Entry struct {
	gate.Pack
	File   string    // of an own pack; empty for one that comes with the program
	Looser []Problem // where an own pack gives more than the one it is measured by
}

// InForce reads the packs that come with the program and the own ones of a folder (*.yaml, *.yml; empty: none). An own
// pack takes the place of the one of its jurisdiction, or stands beside. It may tighten as it likes; where it gives more
// than the pack that comes with the program (for a new jurisdiction: than EU) it is refused, unless allowLooser. The
// error is an *Error with everything that is wrong in all files. Entries are sorted by jurisdiction.
func InForce(folder string, allowLooser bool) ([]Entry, error) {
	packs, err := Load()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(packs))
	for i, p := range packs {
		entries[i].Pack = p
	}
	if folder == "" {
		return entries, nil
	}
	own, problems := readFolder(folder)
	for _, o := range own {
		if o.measure(packs); !allowLooser && len(o.Looser) > 0 {
			problems = append(append(problems, o.Looser...), Problem{
				File: o.File, Text: "looser than the pack that comes with the program; an own pack may tighten, and loosen only with policies.allow_looser: true",
			})
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Jurisdiction == o.Jurisdiction })
		entries = append(entries, o.Entry)
	}
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Jurisdiction, b.Jurisdiction) })
	return entries, nil
}

// Packs are the entries as a policy takes them.
func Packs(entries []Entry) []gate.Pack {
	packs := make([]gate.Pack, len(entries))
	for i, e := range entries {
		packs[i] = e.Pack
	}
	return packs
}

// ownPack is an own pack and what it was read from.
type ownPack struct {
	Entry
	text []byte
}

// measure notes where the pack is looser than the one that comes with the program.
func (o *ownPack) measure(packs []gate.Pack) {
	base := slices.IndexFunc(packs, func(p gate.Pack) bool { return p.Jurisdiction == o.Jurisdiction })
	if base < 0 {
		base = slices.IndexFunc(packs, func(p gate.Pack) bool { return p.Jurisdiction == "EU" })
	}
	if looser := o.LooserThan(packs[base]); len(looser) > 0 {
		o.Looser = located(o.File, o.text, looser)
	}
}

func readFolder(folder string) (own []ownPack, problems []Problem) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, []Problem{{File: folder, Text: "cannot be read: " + cause(err)}}
	}
	from := make(map[string]string)
	for _, f := range files {
		if f.IsDir() || !isYAML(f.Name()) {
			continue
		}
		o, err := readPack(filepath.Join(folder, f.Name()))
		if err != nil {
			problems = append(problems, err.Problems...)
			continue
		}
		if first, twice := from[o.Jurisdiction]; twice {
			text := o.Jurisdiction + " has a pack in " + first + " already: keep one"
			problems = append(problems, located(o.File, o.text, []gate.Problem{{Field: "jurisdiction", Text: text}})...)
			continue
		}
		from[o.Jurisdiction] = o.File
		own = append(own, o)
	}
	if len(own)+len(problems) == 0 {
		problems = append(problems, Problem{File: folder, Text: "holds no pack: put files NAME.yaml there, or remove policies.folder"})
	}
	return own, problems
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func readPack(path string) (ownPack, *Error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return ownPack{}, &Error{[]Problem{{File: path, Text: "cannot be read: " + cause(err)}}}
	}
	pack, err := Parse(path, text)
	if wrong, ok := errors.AsType[*Error](err); ok {
		return ownPack{}, wrong
	}
	return ownPack{Entry: Entry{Pack: pack, File: path}, text: text}, nil
}

// cause is why a file cannot be read, without its path, which the problem has already.
func cause(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
