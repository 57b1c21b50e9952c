package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The key files. id.key is one line of base64url; the others have a line "NUMBER KEY" for each key.
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

// numbered is the keys of one file.
type numbered struct {
	newest byte
	keys   map[byte][]byte
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
		text, err = create(name, o.Rand, "")
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
		text, err = create(name, o.Rand, "1 ")
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %s does not exist: copy it from the data_dir of a gate that serves this store, or run "+
			"`consentgate store init` for a new one", ErrNoKey, name)
	}
	if err != nil {
		return numbered{}, err
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
	n := numbered{keys: make(map[byte][]byte)}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		where := fmt.Sprintf("%s line %d", name, i+1)
		num, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.ParseUint(num, 10, 8)
		id := byte(number)
		if err != nil || id == 0 || n.keys[id] != nil {
			return numbered{}, fmt.Errorf("%w: %s: want a number from 1 to 255, each once, a blank and the key",
				ErrBadKey, where)
		}
		if n.keys[id], err = parseKey(where, rest); err != nil {
			return numbered{}, err
		}
		n.newest = max(n.newest, id)
	}
	return n, nil
}

// create makes a key file and returns its text, or that of whoever made it at the same time.
func create(name string, random io.Reader, label string) (string, error) {
	line, err := newLine(random, label)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	err = place(name, line, os.Link) // unlike a rename, a link never replaces
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return read(name, othersHere)
}

func newLine(random io.Reader, label string) (string, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return label + base64.RawURLEncoding.EncodeToString(key) + "\n", nil
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

// Rotate adds a token key and an encryption key to those in dir; keys opened from then on use them. The id key never
// changes. One call at a time: the caller sees to that.
func Rotate(dir string, random io.Reader) error {
	for _, file := range []string{tokenFile, sealFile} {
		if err := rotate(filepath.Join(dir, file), random); err != nil {
			return err
		}
	}
	return nil
}

func rotate(name string, random io.Reader) error {
	text, err := read(name, othersHere)
	if err != nil {
		return err
	}
	n, err := parseNumbered(name, text)
	if err != nil {
		return err
	}
	if n.newest == 255 {
		return fmt.Errorf("%w: %s holds key 255, and a key number has no more", ErrBadKey, name)
	}
	line, err := newLine(random, strconv.Itoa(int(n.newest)+1)+" ")
	if err != nil {
		return err
	}
	if err := place(name, strings.TrimSpace(text)+"\n"+line, os.Rename); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	return nil
}
