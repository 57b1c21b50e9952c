// Package policies holds the packs, the rules of jurisdictions as YAML that a lawyer can read, and turns them into
// gate.Pack. It decides nothing: package gate does. Whoever builds a gate.Policy may import it.
package policies

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/consentgate/consentgate/gate"
)

//go:embed *.yaml testdata/*.yaml
var files embed.FS

// Load reads the packs that come with the program, by file name.
func Load() ([]gate.Pack, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("find packs: %w", err)
	}
	packs := make([]gate.Pack, 0, len(names))
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read pack: %w", err)
		}
		pack, err := Parse(name, text)
		if err != nil {
			return nil, err
		}
		packs = append(packs, pack)
	}
	return packs, nil
}
