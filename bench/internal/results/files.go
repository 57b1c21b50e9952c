package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Save writes dir/DATE.json and dir/DATE.md, or of a part dir/DATE-PART.json and so on, with -2 and so on behind the date where a file of that name is there, and
// returns their common path without extension.
func (f *File) Save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := f.Markdown(&text); err != nil {
		return "", err
	}
	path := f.freeName(dir)
	if err := os.WriteFile(path+".json", append(data, '\n'), 0o644); err != nil {
		return "", err
	}
	return path, os.WriteFile(path+".md", text.Bytes(), 0o644)
}

func (f *File) freeName(dir string) string {
	base := filepath.Join(dir, f.Date.Format("2006-01-02"))
	if f.Part != "" {
		base += "-" + f.Part
	}
	for path, n := base, 2; ; path, n = fmt.Sprintf("%s-%d", base, n), n+1 {
		if _, err := os.Lstat(path + ".json"); err != nil {
			return path
		}
	}
}

// Load reads a JSON file that Save wrote.
func Load(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, nil
}
