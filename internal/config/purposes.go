package config

import (
	"maps"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

// maxPurposeName bounds what a purpose is called on a page, in octets.
const maxPurposeName = 100

// readPurposes reads what purposes are called on the public pages, in each language.
func readPurposes(dst *unsub.PurposeNames) reader {
	return named(func(purpose string, v value) {
		if !gate.IsPurpose(purpose) {
			v.problem("%q is no purpose: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", purpose)
			return
		}
		names := make(map[string]string)
		named(func(lang string, v value) {
			if _, err := choose(lang, unsub.Languages()); err != nil {
				v.problem("language %q %v", lang, err)
				return
			}
			var name string
			converted(&name, atMost(maxPurposeName))(v)
			names[lang] = name
		})(v)
		if *dst == nil {
			*dst = make(unsub.PurposeNames)
		}
		(*dst)[purpose] = names
	})
}

// checkPurposes: a name for a purpose that no stream has would never be seen.
func (c *Config) checkPurposes(r *report) {
	for _, purpose := range slices.Sorted(maps.Keys(c.Unsubscribe.Purposes)) {
		if !slices.ContainsFunc(c.streams, func(s *gate.Stream) bool { return s.Purpose == purpose }) {
			r.add("unsubscribe.purposes."+purpose, "no stream has the purpose %q", purpose)
		}
	}
}

func purposesTree(names unsub.PurposeNames) yaml.MapSlice {
	var out yaml.MapSlice
	for _, purpose := range slices.Sorted(maps.Keys(names)) {
		var in yaml.MapSlice
		for _, lang := range slices.Sorted(maps.Keys(names[purpose])) {
			in = append(in, yaml.MapItem{Key: lang, Value: names[purpose][lang]})
		}
		out = append(out, yaml.MapItem{Key: purpose, Value: in})
	}
	return out
}
