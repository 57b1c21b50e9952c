package docker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// image is what a Dockerfile of two stages says of the one that is kept.
type image struct {
	base       string
	build      []string // RUN instructions of the first stage
	copies     []layer
	env        []string // NAME=value
	user       string   // uid:gid
	exposed    []string
	entrypoint []string
	cmd        []string
}

// layer is one COPY --from=build.
type layer struct {
	from, to string
	owner    string // uid:gid; empty for root
}

// readImage reads the Dockerfile. An instruction that it does not know fails the test: it would go unchecked.
func readImage(t *testing.T) image {
	t.Helper()
	var img image
	for _, line := range instructions(t) {
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch {
		case word == "FROM":
			img = image{base: rest, build: img.build}
		case word == "RUN" && img.base != "scratch":
			img.build = append(img.build, rest)
		case img.base != "scratch": // of the build stage only the commands count
		default:
			img.set(t, word, rest)
		}
	}
	return img
}

func (img *image) set(t *testing.T, word, rest string) {
	t.Helper()
	switch word {
	case "COPY":
		img.copies = append(img.copies, readLayer(t, rest))
	case "ENV":
		img.env = append(img.env, strings.Fields(rest)...)
	case "USER":
		img.user = rest
	case "EXPOSE":
		img.exposed = strings.Fields(rest)
	case "ENTRYPOINT":
		img.entrypoint = words(t, rest)
	case "CMD":
		img.cmd = words(t, rest)
	default:
		t.Fatalf("Dockerfile: this test does not know %s", word)
	}
}

// instructions are the lines of the Dockerfile, continued ones joined, without comments.
func instructions(t *testing.T) []string {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(readFile(t, "Dockerfile"), "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func readLayer(t *testing.T, text string) layer {
	t.Helper()
	m := regexp.MustCompile(`^--from=build (?:--chown=(\d+:\d+) )?(/\S+) (/\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("Dockerfile: COPY %s: want a numeric owner, if any, and two absolute paths", text)
	}
	return layer{owner: m[1], from: m[2], to: m[3]}
}

func words(t *testing.T, text string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("Dockerfile: %s is no JSON list, and there is no shell: %v", text, err)
	}
	return list
}

// readFile reads a file by its path from the top of the tree.
func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ids are the numbers of "uid:gid".
func ids(t *testing.T, owner string) (uid, gid uint32) {
	t.Helper()
	if owner == "" {
		return 0, 0
	}
	if _, err := fmt.Sscanf(owner, "%d:%d", &uid, &gid); err != nil {
		t.Fatalf("%q is not uid:gid: %v", owner, err)
	}
	return uid, gid
}

// variable is the value of an environment variable of the image.
func (img image) variable(name string) string {
	for _, kv := range img.env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

func TestTheImageHoldsNoShellAndRunsAsNobodySpecial(t *testing.T) {
	t.Parallel()
	img := readImage(t)
	if img.base != "scratch" {
		t.Errorf("the image is based on %s, want scratch", img.base)
	}
	if uid, gid := ids(t, img.user); uid == 0 || gid == 0 {
		t.Errorf("USER %s, want numbers that are not root's", img.user)
	}
	dataDir, owned := img.variable("CONSENTGATE_DATA_DIR"), 0
	for _, l := range img.copies {
		if l.owner == "" {
			continue
		}
		owned++
		if l.to != dataDir || l.owner != img.user {
			t.Errorf("%s belongs to %s; only %s may be written to, by %s", l.to, l.owner, dataDir, img.user)
		}
	}
	if owned != 1 || img.variable("TMPDIR") != dataDir {
		t.Errorf("%d places belong to USER, TMPDIR is %q; want one, %s", owned, img.variable("TMPDIR"), dataDir)
	}
	if len(img.entrypoint) != 1 || path.Base(img.entrypoint[0]) != "consentgate" {
		t.Errorf("ENTRYPOINT %q, want the program alone", img.entrypoint)
	}
}

func TestTheImageIsBuiltWithTheToolchainAndFlagsOfTheProject(t *testing.T) {
	t.Parallel()
	there := regexp.MustCompile(`(?m)^FROM .*golang:(\d+\.\d+) AS build$`).FindStringSubmatch(readFile(t, "Dockerfile"))
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "go.mod"))
	if there == nil || wanted == nil || there[1] != wanted[1] {
		t.Errorf("the Dockerfile has Go %v, go.mod %v", there, wanted)
	}
	flags := func(command string) string {
		m := regexp.MustCompile(`CGO_ENABLED=0 .*build (.*)-o \S+ (\./\S+)`).FindStringSubmatch(command)
		if m == nil {
			t.Fatalf("no static build in:\n%s", command)
		}
		return m[1] + m[2]
	}
	if inImage, inMakefile := flags(strings.Join(readImage(t).build, "\n")), flags(readFile(t, "Makefile")); inImage != inMakefile {
		t.Errorf("the Dockerfile builds %s, make build %s", inImage, inMakefile)
	}
}

// What git tracks and the build does not see would make the stamped version "dirty", or be missing.
func TestEveryTrackedFileReachesTheBuild(t *testing.T) {
	t.Parallel()
	list := exec.Command("git", "ls-files", "-co", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("git knows %d files", len(files))
	}
	for pattern := range strings.Lines(readFile(t, ".dockerignore")) {
		if pattern = strings.TrimSpace(pattern); pattern == "" || pattern[0] == '#' {
			continue
		}
		for _, f := range files {
			if ignored(t, pattern, f) {
				t.Errorf(".dockerignore: %s keeps %s from the build", pattern, f)
			}
		}
	}
}

// ignored tells what Docker does with the two kinds of pattern in use: NAME at the top, **/NAME anywhere.
func ignored(t *testing.T, pattern, file string) bool {
	t.Helper()
	name, anywhere := strings.CutPrefix(pattern, "**/")
	if strings.ContainsAny(name, "/!") {
		t.Fatalf(".dockerignore: this test does not understand %s", pattern)
	}
	parts := strings.Split(file, "/")
	if !anywhere {
		parts = parts[:1]
	}
	for _, p := range parts {
		match, err := path.Match(name, p)
		if err != nil {
			t.Fatalf(".dockerignore: %q: %v", pattern, err)
		}
		if match {
			return true
		}
	}
	return false
}
