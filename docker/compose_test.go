package docker_test

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/internal/config"
)

// compose is docker-compose.yml as far as this project uses the format; another key is an error.
type compose struct {
	Name     string
	Services map[string]service
	Networks map[string]network
	Volumes  map[string]any
}

type service struct {
	Build, Image, Hostname, User, Restart string
	Command                               []string
	Volumes, Environment, Ports           []string
	Networks                              []string
	DependsOn                             map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck                           healthcheck
	StopGracePeriod                       string   `yaml:"stop_grace_period"`
	ReadOnly                              bool     `yaml:"read_only"`
	CapDrop                               []string `yaml:"cap_drop"`
	SecurityOpt                           []string `yaml:"security_opt"`
}

type healthcheck struct {
	Test              []string
	Interval, Timeout string
	Retries           int
}

type network struct {
	Internal bool
	Ipam     struct{ Config []struct{ Subnet string } }
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	if err := yaml.UnmarshalWithOptions([]byte(readFile(t, "docker-compose.yml")), &c, yaml.Strict()); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return c
}

// service returns one that must be there.
func (c compose) service(t *testing.T, name string) service {
	t.Helper()
	s, ok := c.Services[name]
	if !ok {
		t.Fatalf("docker-compose.yml has no service %s", name)
	}
	return s
}

// settings reads the settings that the gate's container gets, with the variables of the image.
func settings(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Options{Path: "consentgate.yaml", Env: readImage(t).variable})
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckServe(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEveryServiceIsConfined(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: read_only %v, cap_drop %v, security_opt %v", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		if s.User == "" && s.Build == "" {
			t.Errorf("%s names no user, and its image is not ours", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s to other machines", name, p)
			}
		}
		if s.Image == "" || (s.Build == "") == (s.Image == c.Services["gate"].Image) {
			t.Errorf("%s: build %q and image %q do not go together", name, s.Build, s.Image)
		}
	}
	for _, name := range []string{"gate", "mailbox"} {
		if s := c.service(t, name); s.Build != "." {
			t.Errorf("%s is built from %q", name, s.Build)
		}
	}
}

func TestWhatServicesNameIsThere(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		for other := range s.DependsOn {
			c.service(t, other)
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s is in a network %s that is not declared", name, n)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, "./") {
				readFile(t, source)
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s mounts a volume %s that is not declared", name, source)
			}
		}
	}
}

func TestTheGateHearsTheNetworkItIsInAndNoOther(t *testing.T) {
	t.Parallel()
	c, cfg, img := readCompose(t), settings(t), readImage(t)
	gate := c.service(t, "gate")
	if len(cfg.Listeners) != 1 {
		t.Fatalf("%d listeners, want one", len(cfg.Listeners))
	}
	_, port, err := net.SplitHostPort(cfg.Listeners[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(gate.Ports, []string{"127.0.0.1:" + port + ":" + port}) || !slices.Contains(img.exposed, port) {
		t.Errorf("the gate listens on %s, ports are %v, EXPOSE %v", port, gate.Ports, img.exposed)
	}
	pools := c.Networks["mail"].Ipam.Config
	heard := cfg.Listeners[0].Networks
	if len(pools) != 1 || !slices.Equal(heard, []netip.Prefix{netip.MustParsePrefix(pools[0].Subnet)}) {
		t.Errorf("networks %v, want the subnet of mail, %v", heard, pools)
	}
}

func TestTheGateReachesItsNeighboursByName(t *testing.T) {
	t.Parallel()
	c, cfg := readCompose(t), settings(t)
	gate, redis, mailbox := c.service(t, "gate"), c.service(t, "redis"), c.service(t, "mailbox")
	if u, err := url.Parse(cfg.Store); err != nil || u.Host != "redis:6379" {
		t.Errorf("the store is %s (%v), want the service redis", cfg.Store, err)
	}
	shared := slices.Contains(gate.Networks, "store") && slices.Contains(gate.Networks, "mail")
	if !shared || !slices.Equal(redis.Networks, []string{"store"}) || !c.Networks["store"].Internal {
		t.Errorf("Redis is in %v, the gate in %v; want a network store of these two", redis.Networks, gate.Networks)
	}
	if len(cfg.Upstreams) != 1 || cfg.Upstreams[0].Address != "mailbox:1025" {
		t.Fatalf("upstreams %v, want the service mailbox", cfg.Upstreams)
	}
	if !slices.Contains(mailbox.Command, "0.0.0.0:1025") || !slices.Equal(mailbox.Networks, []string{"mail"}) {
		t.Errorf("the mailbox runs %v in %v", mailbox.Command, mailbox.Networks)
	}
}

func TestWhatMustLastIsInVolumes(t *testing.T) {
	t.Parallel()
	c, img := readCompose(t), readImage(t)
	if v := c.service(t, "gate").Volumes; !slices.Contains(v, "data:"+img.variable("CONSENTGATE_DATA_DIR")) {
		t.Errorf("the gate mounts %v, want data_dir in a volume", v)
	}
	if v := c.service(t, "redis").Volumes; !slices.Contains(v, "redis:/data") {
		t.Errorf("Redis mounts %v, want its folder /data in a volume", v)
	}
}

// The gate drains for 30 s and flushes for 3 s; Docker kills after 10 s unless told.
func TestTheGateHasTheTimeToDrain(t *testing.T) {
	t.Parallel()
	grace, err := time.ParseDuration(readCompose(t).service(t, "gate").StopGracePeriod)
	if err != nil || grace < 40*time.Second {
		t.Errorf("stop_grace_period is %v (%v), want 40s or more", grace, err)
	}
}
