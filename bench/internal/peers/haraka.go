//go:build linux

package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// harakaVersion is what npm installs. Others may want other settings.
const harakaVersion = "3.3.4"

// connectionIni stands for the file that Haraka's own installation brings; it does not start without.
const connectionIni = `[haproxy]
hosts[] =
[headers]
add_received=true
max_lines=1000
max_received=100
[max]
bytes=104857600
line_length=512
data_line_length=992
mime_parts=1000
[message]
helo=hello
close=bye
[uuid]
banner_chars=6
deny_chars=0
`

// StartHaraka starts a Haraka of its own in dir. Its packages are installed into the cache once.
func StartHaraka(ctx context.Context, dir, cache string, n Neighbours) (*Peer, error) {
	node, err := procs.Find("node")
	if err != nil {
		return nil, errors.New("haraka needs Node.js: install nodejs and npm")
	}
	modules, err := installHaraka(ctx, cache)
	if err != nil {
		return nil, err
	}
	if err := writeHaraka(dir, modules, n); err != nil {
		return nil, err
	}
	cmd := procs.Command(ctx, node, filepath.Join(modules, "Haraka", "bin", "haraka"), "-c", dir)
	p := &Peer{Addr: n.Addr}
	if p.Process, err = procs.Start("haraka", filepath.Join(dir, "log"), cmd); err != nil {
		return nil, err
	}
	return p, p.Await(startTime, func() bool { return greets(ctx, n.Addr) })
}

// installHaraka returns the folder node_modules that Haraka is in.
func installHaraka(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "haraka-"+harakaVersion)
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "Haraka", "bin", "haraka")); !errors.Is(err, fs.ErrNotExist) {
		return modules, err
	}
	npm, err := procs.Find("npm")
	if err != nil {
		return "", errors.New("haraka comes from npm: install it")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return modules, run(ctx, dir, npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--prefix", dir, "Haraka@"+harakaVersion)
}

// writeHaraka writes an instance: our plugin, and settings that are not Haraka's defaults.
func writeHaraka(dir, modules string, n Neighbours) error {
	key, err := os.ReadFile(n.IDKey)
	if err != nil {
		return err
	}
	plugin, err := files.ReadFile("files/consent.js")
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(n.Upstream, ":")
	for name, text := range map[string]string{
		"plugins/consent.js":      string(plugin),
		"config/connection.ini":   connectionIni,
		"config/plugins":          "consent\nqueue/smtp_forward\n",
		"config/smtp.ini":         "listen=" + n.Addr + "\nnodes=0\n",
		"config/smtp_forward.ini": fmt.Sprintf("host=%s\nport=%s\n", host, port),
		"config/host_list":        "bench.test\n",
		"config/me":               "haraka.bench.test\n",
		"config/log.ini":          "[main]\nlevel=warn\n",
		"config/consent_redis":    n.Redis + "\n",
		"config/consent_id_key":   string(key),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	// The plugin takes its packages from where Haraka's are.
	return os.Symlink(modules, filepath.Join(dir, "node_modules"))
}
