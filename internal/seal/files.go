package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The key files. id.key is one line of base64url; the others have a line "NUMBER KEY FROM" for each key. FROM is the
// moment (RFC 3339) from which the key is used; without it the key is as old as the file.
const (
	idFile    = "id.key"
	tokenFile = "token.keys"
	sealFile  = "seal.keys"

	keySize = 32 // octets, of every kind of key
)

// Who else may read a key file: nobody in the data directory, which is ours; the group where the operator chose the
// place, since secrets are often mounted so.
const (
	othersHere  fs.FileMode = 0o077
	othersThere fs.FileMode = 0o007
)

// numbered is the keys of one file by number.
type numbered map[byte]dated

// dated is a key and the moment from which it is used; zero: always.
type dated struct {
	key  []byte
	from time.Time
}

// inUse returns the number of the newest key that is in use at a moment; the oldest where none is.
func (n numbered) inUse(now time.Time) byte {
	numbers := slices.Sorted(maps.Keys(n))
	used := numbers[0]
	for _, num := range numbers {
		if !n[num].from.After(now) {
			used = num
		}
	}
	return used
}

// text is the file that holds the keys.
func (n numbered) text() string {
	var b strings.Builder
	for _, num := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "%d %s", num, base64.RawURLEncoding.EncodeToString(n[num].key))
		if from := n[num].from; !from.IsZero() {
			b.WriteString(" " + from.UTC().Format(time.RFC3339))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

type files struct {
	id            []byte
	tokens, seals numbered
}

func readFiles(dir string, o Options) (files, error) {
	id, err := readIDKey(dir, o)
	if err != nil {
		return files{}, err
	}
	tokens, err := readNumbered(dir, tokenFile, o)
	if err != nil {
		return files{}, err
	}
	seals, err := readNumbered(dir, sealFile, o)
	return files{id: id, tokens: tokens, seals: seals}, err
}

func readIDKey(dir string, o Options) ([]byte, error) {
	name, others := filepath.Join(dir, idFile), othersHere
	if o.IDKeyFile != "" {
		name, others, o.MayCreate = o.IDKeyFile, othersThere, false
	}
	text, err := read(name, others)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.MayCreate:
		text, err = create(name, o.Rand, "", "")
	case errors.Is(err, fs.ErrNotExist) && o.IDKeyFile != "":
		err = fmt.Errorf("%w: id_key_file %s does not exist: put the store's id key there, from `consentgate key export` "+
			"on a gate that has it", ErrNoKey, name)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %s does not exist: run `consentgate store init` for a new store, or set id_key_file to the "+
			"id key of the store that stands", ErrNoKey, name)
	}
	if err != nil {
		return nil, err
	}
	return parseKey(name, strings.TrimSpace(text))
}

func readNumbered(dir, file string, o Options) (numbered, error) {
	name := filepath.Join(dir, file)
	text, err := read(name, othersHere)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.MayCreate:
		text, err = create(name, o.Rand, "1 ", " "+o.Now().UTC().Format(time.RFC3339))
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %s does not exist: copy it from the data_dir of a gate that serves this store, or run "+
			"`consentgate store init` for a new one", ErrNoKey, name)
	}
	if err != nil {
		return nil, err
	}
	return parseNumbered(name, text)
}

// read returns the text of a key file that nobody of others may read.
func read(name string, others fs.FileMode) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	if info.Mode()&others != 0 {
		return "", fmt.Errorf("%w: others may read %s (mode %04o): chmod 600 %[2]s", ErrBadKey, name, info.Mode().Perm())
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	return string(b), nil
}

func parseKey(name, text string) ([]byte, error) {
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%w: %s: want %d octets as 43 characters of base64url", ErrBadKey, name, keySize)
	}
	return key, nil
}

func parseNumbered(name, text string) (numbered, error) {
	n := make(numbered)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		where := fmt.Sprintf("%s line %d", name, i+1)
		num, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.ParseUint(num, 10, 8)
		id := byte(number)
		if err != nil || id == 0 || n[id].key != nil {
			return nil, fmt.Errorf("%w: %s: want a number from 1 to 255, each once, a blank and the key",
				ErrBadKey, where)
		}
		if n[id], err = parseDated(where, rest); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func parseDated(where, text string) (d dated, err error) {
	key, from, ok := strings.Cut(text, " ")
	if ok {
		if d.from, err = time.Parse(time.RFC3339, from); err != nil {
			return dated{}, fmt.Errorf("%w: %s: the moment after the key is not in RFC 3339", ErrBadKey, where)
		}
	}
	d.key, err = parseKey(where, key)
	return d, err
}

// create makes a key file and returns its text, or that of whoever made it at the same time.
func create(name string, random io.Reader, before, after string) (string, error) {
	key, err := newKey(random)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	line := before + base64.RawURLEncoding.EncodeToString(key) + after + "\n"
	err = place(name, line, os.Link) // unlike a rename, a link never replaces
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return read(name, othersHere)
}

func newKey(random io.Reader) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// place writes a file of mode 0600 beside name, fsynced, and puts it there by way of put.
func place(name, text string, put func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already where put renamed it
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := put(f.Name(), name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
