package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of which there is one key, never rotated.
const (
	idKind      Kind = "id"
	signingKind Kind = "signing"
)

// exportMark lists the fingerprints of the keys that were exported, a line each.
const exportMark = "keys.exported"

// texts are the key files by name.
func (f files) texts(dir string) (map[string]string, error) {
	texts := map[string]string{
		idFile:    base64.RawURLEncoding.EncodeToString(f.id) + "\n",
		tokenFile: f.tokens.text(),
		sealFile:  f.seals.text(),
	}
	for _, name := range optionalFiles() {
		text, err := read(filepath.Join(dir, name), othersHere)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			texts[name] = text
		}
	}
	return texts, nil
}

// optionalFiles are keys that not every gate has; a bundle carries them as they stand.
func optionalFiles() []string { return []string{signingFile} }

// Imported is what became of an import.
type Imported struct {
	Fingerprint string   `json:"fingerprint"` // of the id key
	Written     []string `json:"written"`     // files that are new or hold more keys now
}

// Import puts the keys of a bundle into dir, the id key into o.IDKeyFile where that is set. store is the fingerprint
// that the store has, empty for one that is new. No key that stands is replaced: where another one of the same number
// does, or the store wants another id key, nothing is written and the error wraps ErrOtherKeys.
func Import(dir string, o Options, text, passphrase, store string) (Imported, error) {
	b, err := parseBundle(text)
	if err != nil {
		return Imported{}, err
	}
	texts, err := b.open(passphrase)
	if err != nil {
		return Imported{}, err
	}
	files, err := parseFiles(texts)
	if err != nil {
		return Imported{}, err
	}
	done := Imported{Fingerprint: fingerprint(newMACs(files.id)), Written: []string{}}
	if store != "" && store != done.Fingerprint {
		return Imported{}, fmt.Errorf("%w: the store was made with the id key %s, and this is %s: name the store of these keys",
			ErrOtherKeys, store, done.Fingerprint)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Imported{}, fmt.Errorf("import keys: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return Imported{}, err
	}
	defer unlock()
	writes, err := files.beside(dir, o, texts)
	if err != nil {
		return Imported{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(writes)) {
		if err := place(name, writes[name], os.Rename); err != nil {
			return done, fmt.Errorf("import keys: %w", err)
		}
		done.Written = append(done.Written, name)
	}
	return done, MarkExported(dir, o)
}

func parseFiles(texts map[string]string) (f files, err error) {
	if f.id, err = parseKey(idFile, strings.TrimSpace(texts[idFile])); err != nil {
		return f, err
	}
	for _, name := range optionalFiles() {
		if text := strings.TrimSpace(texts[name]); text != "" {
			if _, err := parseKey(name, text); err != nil {
				return f, err
			}
		}
	}
	if f.tokens, err = parseNumbered(tokenFile, texts[tokenFile]); err != nil {
		return f, err
	}
	f.seals, err = parseNumbered(sealFile, texts[sealFile])
	return f, err
}

// beside returns the files to write so that f stands beside what is in dir.
func (f files) beside(dir string, o Options, texts map[string]string) (map[string]string, error) {
	writes := make(map[string]string)
	idName := filepath.Join(dir, idFile)
	if o.IDKeyFile != "" {
		idName = o.IDKeyFile
	}
	if err := besideOne(writes, idName, texts[idFile]); err != nil {
		return nil, err
	}
	for _, name := range optionalFiles() {
		if err := besideOne(writes, filepath.Join(dir, name), texts[name]); err != nil {
			return nil, err
		}
	}
	for _, kind := range []Kind{TokenKey, EncryptionKey} {
		name := filepath.Join(dir, kind.file())
		if err := besideNumbered(writes, name, f.of(kind)); err != nil {
			return nil, err
		}
	}
	return writes, nil
}

// besideOne writes a file that is missing; one that stands must be the same.
func besideOne(writes map[string]string, name, text string) error {
	stands, err := os.ReadFile(name)
	switch {
	case text == "":
	case errors.Is(err, fs.ErrNotExist):
		writes[name] = text
	case err != nil:
		return fmt.Errorf("import keys: %w", err)
	case strings.TrimSpace(string(stands)) != strings.TrimSpace(text):
		return fmt.Errorf("%w: %s holds another key: import into a data_dir of its own", ErrOtherKeys, name)
	}
	return nil
}

// besideNumbered adds the keys of n to those of a file.
func besideNumbered(writes map[string]string, name string, n numbered) error {
	text, err := read(name, othersHere)
	if errors.Is(err, fs.ErrNotExist) {
		writes[name] = n.text()
		return nil
	}
	if err != nil {
		return err
	}
	stands, err := parseNumbered(name, text)
	if err != nil {
		return err
	}
	before := len(stands)
	for num, d := range n {
		switch was, ok := stands[num]; {
		case !ok:
			stands[num] = d
		case !bytes.Equal(was.key, d.key):
			return fmt.Errorf("%w: key %d in %s is another one: import into a data_dir whose gate has never run, or move "+
				"that file away if nothing was sealed or signed with it", ErrOtherKeys, num, name)
		}
	}
	if len(stands) > before {
		writes[name] = stands.text()
	}
	return nil
}

// MarkExported notes that an export holds all keys that are in dir now.
func MarkExported(dir string, o Options) error {
	infos, err := Inspect(dir, o)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, i := range infos {
		b.WriteString(i.Fingerprint + "\n")
	}
	if err := place(filepath.Join(dir, exportMark), b.String(), os.Rename); err != nil {
		return fmt.Errorf("note the export of keys: %w", err)
	}
	return nil
}

// readMark returns the fingerprints of the keys that were exported.
func readMark(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, exportMark))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}
