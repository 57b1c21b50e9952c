package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultPath is the file that is read where none is named, if it is there.
const DefaultPath = "/etc/consentgate/config.yaml"

// Options say where settings come from.
type Options struct {
	Path  string              // the file; empty: CONSENTGATE_CONFIG, else DefaultPath if it is there
	Env   func(string) string // os.Getenv, or a test's
	Root  bool                // the process runs as root, which decides the default of data_dir
	Serve bool                // check what only serve needs as well
	Flags Overlay
}

// Load reads, completes and checks every setting. The error is an *Error, or says why the file cannot be read.
func Load(o Options) (*Config, error) {
	path, data, err := o.file()
	if err != nil {
		return nil, err
	}
	return Parse(path, data, o)
}

// file returns the file's path and content; both are empty where there is none to read.
func (o Options) file() (string, []byte, error) {
	path := o.Path
	if path == "" {
		path = o.Env("CONSENTGATE_CONFIG")
	}
	named := path != ""
	if !named {
		path = DefaultPath
	}
	data, err := os.ReadFile(path)
	switch {
	case !named && errors.Is(err, fs.ErrNotExist):
		return "", nil, nil
	case err != nil:
		return "", nil, fmt.Errorf("config file %s: %w", path, cause(err))
	}
	return path, data, nil
}

// cause is the reason in an error about a file, without the operation and the path that the sentence has already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// Parse is Load with the file's content at hand; path is for messages and may be empty.
func Parse(path string, data []byte, o Options) (*Config, error) {
	r := newReport(path)
	c := defaults()
	c.File, c.lines = path, r.lines
	if !parse(r, data, c.read()) {
		return nil, r.err()
	}
	c.environment(r, o.Env)
	c.overlay(r, o.Flags)
	if len(c.streams) == 0 {
		c.useDefaultStreams(len(o.Flags.Transactional) > 0)
	}
	c.overlayTransactional(r, o.Flags.Transactional)
	c.complete(r, o)
	c.validate(r)
	if o.Serve {
		c.checkServe(r)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// useDefaultStreams is for a config that names no stream; receipts says that some senders are exempt all the same.
func (c *Config) useDefaultStreams(receipts bool) {
	c.streams = defaultStreams()
	if c.DefaultStream == "" {
		c.DefaultStream = c.streams[0].Name
	}
	if c.Unsubscribe.PublicURL != "" {
		c.streams[0].Unsubscribe = []string{"https"}
	}
	if !receipts {
		c.warn("all mail counts as marketing and needs consent: name the senders of receipts with --transactional, or streams in a config file")
	}
}

func (c *Config) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// environment applies the variables that stand for settings of the file.
func (c *Config) environment(r *report, env func(string) string) {
	for name, dst := range map[string]*string{
		"CONSENTGATE_DATA_DIR":    &c.DataDir,
		"CONSENTGATE_ID_KEY_FILE": &c.IDKeyFile,
	} {
		if path := env(name); path != "" {
			*dst = absolute(path)
		}
	}
	if url := env("CONSENTGATE_STORE"); url != "" {
		c.Store, c.storeFile = url, ""
	}
	c.password = env("CONSENTGATE_UPSTREAM_PASSWORD")
	if c.storeFile != "" {
		c.readStoreFile(r)
	}
}

func (c *Config) readStoreFile(r *report) {
	if c.Store != "" {
		r.add("store_file", "stands beside store: keep one of the two")
		return
	}
	s, err := readSecret(c.storeFile)
	if err != nil {
		r.add("store_file", "%v", err)
		return
	}
	c.Store = s
}

// readSecret returns the one line of a file.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	s := strings.TrimRight(string(data), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", fmt.Errorf("%s must hold one line with the secret and nothing else", path)
	}
	return s, nil
}

// absolute resolves a path given on the command line or in the environment, where the working directory is known.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
