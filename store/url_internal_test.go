package store

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/consentgate/consentgate/store/redisstore"
)

func TestAURLNamesAStore(t *testing.T) {
	t.Parallel()
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, c := range []struct {
		url  string
		want target
	}{
		{"redis://127.0.0.1:6379/0", target{redis: redisstore.Options{Addrs: []string{"127.0.0.1:6379"}}}},
		{"redis://cache", target{redis: redisstore.Options{Addrs: []string{"cache:6379"}}}},
		{"redis://[::1]:7000/3", target{redis: redisstore.Options{Addrs: []string{"[::1]:7000"}, DB: 3}}},
		{"redis://::1", target{redis: redisstore.Options{Addrs: []string{"[::1]:6379"}}}},
		{"redis://:secret@cache/2", target{redis: redisstore.Options{Addrs: []string{"cache:6379"}, Password: "secret", DB: 2}}},
		{"rediss://gate:p%40ss:w%2Frd@cache:6380/1", target{redis: redisstore.Options{
			Addrs: []string{"cache:6380"}, Username: "gate", Password: "p@ss:w/rd", DB: 1, TLS: secure,
		}}},
		{"redis://gate:p@ss@cache", target{redis: redisstore.Options{
			Addrs: []string{"cache:6379"}, Username: "gate", Password: "p@ss",
		}}},
		{"redis+sentinel://gate:secret@h1,h2:7,h3/main/4", target{redis: redisstore.Options{
			Addrs: []string{"h1:26379", "h2:7", "h3:26379"}, Master: "main", Username: "gate", Password: "secret", DB: 4,
		}}},
		{"redis+sentinel://h1/main", target{redis: redisstore.Options{Addrs: []string{"h1:26379"}, Master: "main"}}},
		{"redis+cluster://h1,h2:7001", target{redis: redisstore.Options{
			Addrs: []string{"h1:6379", "h2:7001"}, Cluster: true,
		}}},
		{"rediss+cluster://h1/0", target{redis: redisstore.Options{Addrs: []string{"h1:6379"}, Cluster: true, TLS: secure}}},
		{"unix:/run/redis.sock", target{redis: redisstore.Options{Network: "unix", Addrs: []string{"/run/redis.sock"}}}},
		{"unix:///run/redis.sock?db=2", target{redis: redisstore.Options{
			Network: "unix", Addrs: []string{"/run/redis.sock"}, DB: 2,
		}}},
		{"unix://gate:secret@/run/redis.sock", target{redis: redisstore.Options{
			Network: "unix", Addrs: []string{"/run/redis.sock"}, Username: "gate", Password: "secret",
		}}},
		{"sqlite:consent.db", target{sqlite: true, path: "consent.db"}},
		{"sqlite:/var/lib/a b.db", target{sqlite: true, path: "/var/lib/a b.db"}},
		{"sqlite:///var/lib/consent.db", target{sqlite: true, path: "/var/lib/consent.db"}},
		{"sqlite:", target{sqlite: true, path: filepath.Join("/data", DefaultFile)}},
		{"", target{sqlite: true, path: filepath.Join("/data", DefaultFile)}},
	} {
		got, err := parse(c.url, Options{DataDir: "/data"})
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		opts := cmp.Options{cmp.AllowUnexported(target{}), cmpopts.IgnoreUnexported(tls.Config{})}
		if diff := cmp.Diff(c.want, got, opts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.url, diff)
		}
	}
}

func TestAWrongURLGetsOneSentenceWithoutThePassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, want string }{
		{"consent.db", "no scheme"},
		{"mysql://s3cret@host/db", `unknown scheme "mysql"`},
		{"redis+replica://u:s3cret@host", `unknown scheme "redis+replica"`},
		{"redis:127.0.0.1", "two slashes are missing"},
		{"redis://", "a host is missing"},
		{"redis://:s3cret@", "a host is missing"},
		{"redis://gate:s3cret", "a port is no number"},
		{"redis://:s3cret", "a port is no number"},
		{"redis://host:0", "a port is no number"},
		{"redis://host:99999", "a port is no number"},
		{"redis://:6379", "the host before a port is missing"},
		{"redis://a:b:s3cret", "a host and port cannot be read"},
		{"redis://gate:s3/cret@host", "the password holds a slash"},
		{"redis://gate:s3%cret@host", "the password is not percent-encoded"},
		{"redis://g%:s3cret@host", "the username is not percent-encoded"},
		{"redis://gate:s3cret@host/one", "the database is no number"},
		{"redis://gate:s3cret@host/-1", "the database is no number"},
		{"redis://gate:s3cret@host/0?read_timeout=1", "parameters are not known"},
		{"redis://gate:s3cret@a,b/0", "takes one host"},
		{"redis+sentinel://gate:s3cret@a,b", "the master's name is missing"},
		{"redis+cluster://gate:s3cret@a,,b", "a host is missing"},
		{"redis+cluster://gate:s3cret@a/3", "database 0 only"},
		{"unix:redis.sock", "is not absolute"},
		{"unix:/run/redis.sock?password=s3cret", "the only parameter is db"},
		{"sqlite://host/path", "takes a path and no host"},
		{"sqlite:", "there is no data_dir"},
	} {
		_, err := parse(c.url, Options{})
		if err == nil {
			t.Errorf("%s: no error", c.url)
			continue
		}
		if text := err.Error(); !strings.Contains(text, c.want) || strings.ContainsAny(text, "\n\r") {
			t.Errorf("%s: got %q, want one line with %q", c.url, text, c.want)
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: the error shows the password: %v", c.url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"redis://u:p@h:1/0", "rediss+sentinel://h,h/m/1", "redis+cluster://[::1]:7", "unix://u@/s?db=1", "sqlite:///x", ":", "redis://@",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		got, err := parse(url, Options{DataDir: "/data"})
		if err != nil {
			return
		}
		if got.sqlite == (len(got.redis.Addrs) > 0) {
			t.Errorf("%q names both a file and servers, or neither: %+v", url, got)
		}
		if got.redis.DB < 0 || (got.redis.Cluster && got.redis.DB != 0) {
			t.Errorf("%q names database %d", url, got.redis.DB)
		}
	})
}
