package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// environ is an environment with a home, plus pairs of name and value.
func environ(pairs ...string) func(string) string {
	vars := map[string]string{"HOME": "/home/gate"}
	for i := 0; i+1 < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return vars[name] }
}

func parse(t *testing.T, text string, o config.Options) *config.Config {
	t.Helper()
	if o.Env == nil {
		o.Env = environ()
	}
	c, err := config.Parse("config.yaml", []byte(text), o)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestEveryGoodFileIsAccepted(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "good", ".yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			parse(t, read(t, path), config.Options{})
		})
	}
}

// Each bad file stands beside a .txt with every problem it must report, one a line, in order.
func TestEveryBadFileIsRefusedWithAllItsProblems(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "bad", ".yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse(filepath.Base(path), []byte(read(t, path)), config.Options{Env: environ()})
			if err == nil {
				t.Fatal("accepted")
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(read(t, golden), err.Error()+"\n"); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func files(t *testing.T, dir, ext string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", dir, "*"+ext))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheSampleIsAcceptedAndStartsInObserve(t *testing.T) {
	t.Parallel()
	c := parse(t, string(config.Sample()), config.Options{})
	if c.Mode != gate.ModeObserve {
		t.Errorf("mode = %s, want observe", c.Mode)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

func TestTheSampleIsAcceptedWithEveryCommentedLineTurnedOn(t *testing.T) {
	t.Parallel()
	text := string(config.Sample())
	for _, key := range []string{"data_dir:", "store:", "tls:", "unsubscribe:", "log:", "client:", "username:", "list_id:"} {
		text = strings.ReplaceAll(text, "#"+key, key)
	}
	text = strings.ReplaceAll(text, "#password_file: ", "password_file: ")
	text = strings.ReplaceAll(text, "    tls: starttls", "    #tls: starttls")
	parse(t, text, config.Options{})
}

func TestWithoutAFileThereAreTwoStreamsAndALoopbackListener(t *testing.T) {
	t.Parallel()
	c := parse(t, "", config.Options{Flags: config.Overlay{
		Upstream: []string{"127.0.0.1:1025"}, Transactional: []string{"*@shop.example.com"},
	}})
	want := []*gate.Stream{
		{Name: "marketing", Kind: gate.KindMarketing, Purpose: "marketing"},
		{Name: "transactional", Kind: gate.KindTransactional, Match: []string{"*@shop.example.com"}},
	}
	for _, s := range want {
		s.Existing, s.OnSigned, s.OnBlock, s.Mode = gate.ExistingKeep, gate.SignedLeave, gate.OnBlockReject, gate.ModeEnforce
	}
	if diff := cmp.Diff(want, c.Streams()); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]config.Listener{{Address: "127.0.0.1:2525", TLS: config.TLSNone, Protocol: config.SMTP}}, c.Listeners); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
	if c.DefaultStream != "marketing" || c.DefaultJurisdiction != "EU" || len(c.Warnings) != 0 {
		t.Errorf("default stream %q, jurisdiction %q, warnings %q", c.DefaultStream, c.DefaultJurisdiction, c.Warnings)
	}
}

func TestWithoutTransactionalSendersAWarningSaysAllMailIsMarketing(t *testing.T) {
	t.Parallel()
	c := parse(t, "", config.Options{})
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "--transactional") {
		t.Errorf("warnings = %q", c.Warnings)
	}
}

func TestAPublicURLMakesTheDefaultMarketingStreamAskForUnsubscribe(t *testing.T) {
	t.Parallel()
	c := parse(t, "", config.Options{Flags: config.Overlay{PublicURL: "https://u.example.com/"}})
	if got := c.Streams()[0].Unsubscribe; len(got) != 1 || got[0] != "https" {
		t.Errorf("unsubscribe = %q", got)
	}
	if c.Unsubscribe.PublicURL != "https://u.example.com" {
		t.Errorf("public URL = %q, want it without the slash", c.Unsubscribe.PublicURL)
	}
}

func TestFlagsBeatTheEnvironmentAndTheEnvironmentBeatsTheFile(t *testing.T) {
	t.Parallel()
	const file = "store: sqlite:/file.db\ndata_dir: /file\nid_key_file: /file.key\n"
	env := environ("CONSENTGATE_STORE", "sqlite:/env.db", "CONSENTGATE_DATA_DIR", "/env", "CONSENTGATE_ID_KEY_FILE", "/env.key")
	c := parse(t, file, config.Options{Env: env, Flags: config.Overlay{Store: "sqlite:/flag.db"}})
	got := []string{c.Store, c.DataDir, c.IDKeyFile}
	if diff := cmp.Diff([]string{"sqlite:/flag.db", "/env", "/env.key"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheDataDirectoryDefaultsByWhoRuns(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]config.Options{
		"/var/lib/consentgate":                {Root: true},
		"/home/gate/.local/state/consentgate": {},
		"/state/consentgate":                  {Env: environ("XDG_STATE_HOME", "/state")},
	} {
		c := parse(t, "", o)
		if c.DataDir != want || c.Store != "sqlite:"+want+"/consent.db" {
			t.Errorf("data_dir %s, store %s; want %s", c.DataDir, c.Store, want)
		}
	}
}

func TestUpstreamsDefaultToTLSOffLoopback(t *testing.T) {
	t.Parallel()
	c := parse(t, "upstreams: [{address: 127.0.0.1:25}, {address: smtp.example.net:587}]", config.Options{})
	if c.Upstreams[0].TLS != upstream.None || c.Upstreams[1].TLS != upstream.StartTLS {
		t.Errorf("tls = %s and %s", c.Upstreams[0].TLS, c.Upstreams[1].TLS)
	}
}

func TestAnUpstreamFlagOffLoopbackWarnsThatTLSIsOptional(t *testing.T) {
	t.Parallel()
	c := parse(t, "", config.Options{Flags: config.Overlay{
		Upstream: []string{"smtp.example.net:25"}, Transactional: []string{"*@a.example"},
	}})
	if c.Upstreams[0].TLS != upstream.Opportunistic || len(c.Warnings) != 1 {
		t.Errorf("tls %s, warnings %q", c.Upstreams[0].TLS, c.Warnings)
	}
}

func TestTargetsCarryThePasswordOfFileOrEnvironment(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "smtp")
	if err := os.WriteFile(secret, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "upstreams:\n- {address: a.example:587, username: gate, password_file: " + secret + "}\n" +
		"- {address: b.example:587, username: gate}\n- {address: 127.0.0.1:25}\n"
	c := parse(t, text, config.Options{Env: environ("CONSENTGATE_UPSTREAM_PASSWORD", "from env")})
	targets, err := c.Targets()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range targets {
		got = append(got, target.Password)
	}
	if diff := cmp.Diff([]string{"from file", "from env", ""}, got); diff != "" {
		t.Errorf("passwords (-want +got):\n%s", diff)
	}
}

func TestServeNeedsAnUpstreamAndReadableFiles(t *testing.T) {
	t.Parallel()
	err := parse(t, "mode: enforce\n", config.Options{}).CheckServe()
	if err == nil || !strings.Contains(err.Error(), "upstreams: name none") {
		t.Errorf("no upstream: %v", err)
	}
	c := parse(t, "mode: enforce\nupstreams:\n  - address: a.example:587\n    username: gate\n    password_file: /nowhere/smtp\n", config.Options{})
	want := "config.yaml:5: upstreams[0].password_file: /nowhere/smtp cannot be read: no such file or directory"
	if err := c.CheckServe(); err == nil || err.Error() != want {
		t.Errorf("unreadable password: %v\nwant %s", err, want)
	}
}

func TestAnUpstreamThatIsTheGateItselfIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listener, upstream string
		ours               bool
	}{
		{"127.0.0.1:25", "127.0.0.1:25", true},
		{"127.0.0.1:25", "127.0.0.1:26", false},
		{"127.0.0.1:25", "localhost:25", true},
		{"127.0.0.2:25", "localhost:25", false},
		{"localhost:25", "[::1]:25", true},
		{"localhost:25", "LOCALHOST:25", true},
		{"[::1]:25", "127.0.0.1:25", false},
		{"0.0.0.0:25", "127.0.0.1:25", true},
		{":25", "localhost:25", true},
		{"[::]:25", "192.0.2.1:25", false},
		{"192.0.2.1:25", "[::ffff:192.0.2.1]:25", true},
		{"gate.example.com:25", "Gate.Example.com:25", true},
		{"gate.example.com:25", "smtp.example.com:25", false},
	} {
		text := "listeners: [{address: '" + tt.listener + "', tls: none, networks: [10.0.0.0/8]}]\n" +
			"upstreams: [{address: '" + tt.upstream + "'}]\n"
		_, err := config.Parse("", []byte(text), config.Options{Env: environ()})
		if got := err != nil && strings.Contains(err.Error(), "own listener"); got != tt.ours || (err != nil) != got {
			t.Errorf("listener %s, upstream %s: %v", tt.listener, tt.upstream, err)
		}
	}
}

func TestAClientPresetDecidesOnBlockUnlessOnBlockDoes(t *testing.T) {
	t.Parallel()
	c := parse(t, "listeners:\n- {address: 127.0.0.1:1, client: listmonk}\n- {address: 127.0.0.1:2, client: listmonk, on_block: reject}\n", config.Options{})
	if c.Listeners[0].OnBlock != gate.OnBlockDiscard || c.Listeners[1].OnBlock != gate.OnBlockReject {
		t.Errorf("on_block = %s and %s", c.Listeners[0].OnBlock, c.Listeners[1].OnBlock)
	}
}

func TestWhatBecomesOfHeadersIsTheStreamsElseTheTopOne(t *testing.T) {
	t.Parallel()
	c := parse(t, "unsubscribe: {existing_header: replace, on_signed: refuse}\ndefault_stream: a\n"+
		"streams: {a: {}, b: {existing_header: keep, on_signed: leave}}\n", config.Options{})
	a, b := c.Streams()[0], c.Streams()[1]
	if a.Existing != gate.ExistingReplace || a.OnSigned != gate.SignedRefuse || b.Existing != gate.ExistingKeep || b.OnSigned != gate.SignedLeave {
		t.Errorf("a: %s, %s; b: %s, %s", a.Existing, a.OnSigned, b.Existing, b.OnSigned)
	}
}

func TestListIdsAndFeedbackIdsAreThoseThatReceiversRead(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"list_id: <news.example.com>": true, "list_id: Example news <news.example.com>": true,
		`list_id: '"Example, Inc." <news.example.com>'`: true, `list_id: '"a \"b\" \\" <news.example.com>'`: true,
		"list_id: news.example.com": false, "list_id: <news>": false, "list_id: Example, Inc. <news.example.com>": false,
		"list_id: <news.example.com> news": false, "list_id: <news..example.com>": false, "list_id: <a b.example.com>": false,
		`list_id: '"a"b" <news.example.com>'`: false, `list_id: '" <news.example.com>'`: false,
		"feedback_id: spring:news:shop:example": true, "feedback_id: example": true, `feedback_id: "::news:example"`: true,
		"feedback_id: spring:news:shop": false, "feedback_id: a:b:c:d:example": false, "feedback_id: a:a-sender-too-long": false,
		"feedback_id: spring sale:example": false,
	} {
		_, err := config.Parse("", []byte("default_stream: news\nstreams:\n  news:\n    "+value+"\n"), config.Options{Env: environ()})
		if (err == nil) != ok {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestFlagsThatMakeNoSenseNameTheFlag(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]config.Overlay{
		`--mode: "obsrve" is not known here: did you mean observe?`:                                                                                             {Mode: "obsrve"},
		`--on-block: "drop" is not known here: use reject or discard`:                                                                                           {OnBlock: "drop"},
		`--network: "x" is no network: write it as 10.0.0.0/8 or 192.0.2.7`:                                                                                     {Networks: []string{"x"}},
		`--transactional: "shop" is no sender pattern: write news@example.com, *@example.com or bounce+*@example.com`:                                           {Transactional: []string{"shop"}},
		`--public-url: "http://u.example.com" is no public URL: want https, since mail clients take one-click from nothing else (http only on a loopback host)`: {PublicURL: "http://u.example.com"},
		`listeners[0]: 0.0.0.0:25 is open to other machines: say who may relay with networks (--network), or set require_auth`:                                  {Listen: []string{"0.0.0.0:25"}},
		`--listen: "bogus" is not host:port: write for example 127.0.0.1:2525`:                                                                                  {Listen: []string{"bogus"}},
		`--upstream: upstream "bogus" is not host:port: write for example 127.0.0.1:25 or smtps://name@host`:                                                    {Upstream: []string{"bogus"}},
		`--store: "redsi://:xxxxx@a" has a scheme that is not known: did you mean redis?`:                                                                       {Store: "redsi://:hunter2@a"},
	} {
		_, err := config.Parse("", nil, config.Options{Env: environ(), Flags: o, Serve: len(o.Upstream) > 0})
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		wrong, ok := errors.AsType[*config.Error](err)
		if !ok || wrong.Flags() != strings.HasPrefix(want, "--") {
			t.Errorf("%v: is about a flag: %v", err, ok && wrong.Flags())
		}
	}
}

func TestEveryWrongFlagIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("", nil, config.Options{Env: environ(), Serve: true, Flags: config.Overlay{
		Mode: "x", OnBlock: "x", Listen: []string{"one", "two", "127.0.0.1:0"}, Networks: []string{"n", "m"}, Upstream: []string{"u", "v"},
		Transactional: []string{"p"}, PublicURL: "x", Store: "x",
	}})
	if got := strings.Count(err.Error(), "\n") + 1; got != 11 {
		t.Errorf("%d problems, want 11:\n%v", got, err)
	}
}

func TestWhatServeLacksIsReportedBesideAllElse(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("", []byte("mod: enforce\n"), config.Options{Env: environ(), Serve: true})
	if err == nil || !strings.Contains(err.Error(), "mod: unknown key") || !strings.Contains(err.Error(), "upstreams: name none") {
		t.Errorf("got %v", err)
	}
}

func TestTheRedactedFormReadsBackAsTheSameSettings(t *testing.T) {
	t.Parallel()
	c := parse(t, read(t, "testdata/good/full.yaml"), config.Options{})
	printed, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	text := string(printed)
	for _, secret := range []string{"hunter2", "$2a$"} {
		if strings.Contains(text, secret) {
			t.Errorf("shows the secret %q:\n%s", secret, text)
		}
	}
	secrets := strings.NewReplacer("password_hash: xxxxx", "password_hash: "+c.Credentials[0].PasswordHash,
		" hash: xxxxx", " hash: "+c.Admin.Tokens[0].Hash.String())
	back := parse(t, secrets.Replace(text), config.Options{})
	if diff := cmp.Diff(c.Streams(), back.Streams()); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	again, err := back.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(again)); diff != "" {
		t.Errorf("printed again (-first +second):\n%s", diff)
	}
}

func TestAnOwnPackTakesItsPlace(t *testing.T) {
	t.Parallel()
	c := parse(t, "jurisdictions: [FR]\npolicies: {folder: testdata/packs}\n", config.Options{})
	for _, p := range c.Packs() {
		if p.Jurisdiction == "FR" && (p.Version != "house-1" || !p.Evidence) {
			t.Errorf("FR is %s, evidence required: %v", p.Version, p.Evidence)
		}
	}
	if strings.Contains(strings.Join(c.Warnings, "\n"), "pack") {
		t.Errorf("a stricter pack is warned of: %q", c.Warnings)
	}
}

func TestALooserPackCountsOnlyWithAWarning(t *testing.T) {
	t.Parallel()
	c := parse(t, "policies: {folder: testdata/looser, allow_looser: true}\n", config.Options{})
	const want = "pack FR (testdata/looser/fr.yaml) gives more than the one that comes with the program: " +
		"states.implied.b2b permits; FR blocks with no_consent; states.implied.b2c permits; FR blocks with no_consent"
	if !slices.Contains(c.Warnings, want) {
		t.Errorf("warnings %q, want one of them to be\n%s", c.Warnings, want)
	}
}

func TestAStoreURLIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"redis://gate:hunter2@10.0.0.1:6379/0":        "redis://gate:xxxxx@10.0.0.1:6379/0",
		"redis+sentinel://:p@ss/w@h1:1,h2:2/master/0": "redis+sentinel://:xxxxx@h1:1,h2:2/master/0",
		"redis+cluster://:hunter2@h1:1,h2:2":          "redis+cluster://:xxxxx@h1:1,h2:2",
		"redis://127.0.0.1:6379/0":                    "redis://127.0.0.1:6379/0",
		"sqlite:/var/lib/consentgate/consent.db":      "sqlite:/var/lib/consentgate/consent.db",
	} {
		if got := config.RedactURL(in); got != want {
			t.Errorf("RedactURL(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestDurationsCountInDaysToo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "36h": 36 * time.Hour, "15m": 15 * time.Minute} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%s) = %v, %v", text, got, err)
		}
	}
}

func TestAFileThatIsNamedMustBeThere(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{Path: "/nowhere/config.yaml", Env: environ()})
	if want := "config file /nowhere/config.yaml: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The file with every key is full.yaml; what it holds must be explained.
func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	docs := read(t, "../../docs/configuration.md")
	names := regexp.MustCompile(`(?m)(?:^ *(?:- )?|[{,] ?)([a-z_]+):`).FindAllStringSubmatch(read(t, "testdata/good/full.yaml"), -1)
	for _, m := range names {
		switch m[1] {
		case "newsletter", "receipts", "terms", "confirm", "partner": // names of streams, and of a brand
			continue
		}
		if !strings.Contains(docs, "`"+m[1]) && !strings.Contains(docs, "."+m[1]+"`") {
			t.Errorf("docs/configuration.md does not explain %s", m[1])
		}
	}
}

// What is documented as a section's key must be accepted: full.yaml has it, or it stands in its place.
func TestEveryDocumentedKeyIsRead(t *testing.T) {
	t.Parallel()
	full := read(t, "testdata/good/full.yaml")
	_, keys, _ := strings.Cut(read(t, "../../docs/configuration.md"), "## Keys")
	keys, _, _ = strings.Cut(keys, "### Patterns")
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_.]+` ?)+)\\|").FindAllStringSubmatch(keys, -1) {
		for key := range strings.FieldsSeq(strings.ReplaceAll(row[1], "`", "")) {
			for part := range strings.SplitSeq(key, ".") {
				if part != "store_file" && !strings.Contains(full, part+":") {
					t.Errorf("full.yaml lacks %s", key)
				}
			}
		}
	}
}
