package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/unsub"
)

// Brand is whose the public pages are. Every field may be empty.
type Brand struct {
	Name       string
	Address    string // postal
	Contact    string // an e-mail address or an https URL
	PrivacyURL string
	Colour     string // "#rrggbb"
	LogoFile   string // PNG or SVG; not read before Public
}

// Texts longer than this are no names and addresses; a name also stands in the events of the pages.
const (
	maxBrandName    = 100
	maxBrandAddress = 300
)

func (b *Brand) read() reader { return section(b.keys) }

func (b *Brand) keys() fields {
	return fields{
		"name":        converted(&b.Name, atMost(maxBrandName)),
		"address":     converted(&b.Address, atMost(maxBrandAddress)),
		"contact":     converted(&b.Contact, unsub.ParseContact),
		"privacy_url": converted(&b.PrivacyURL, unsub.ParseLink),
		"colour":      converted(&b.Colour, unsub.ParseColour),
		"logo_file":   text(&b.LogoFile),
	}
}

// Controller is one that events name beside the Brand of the pages.
type Controller struct {
	ID    string // what events call it
	Brand Brand  // without Colour and LogoFile, which are the pages'
}

// readBrands reads the controllers by what events call them.
func readBrands(dst *[]Controller) reader {
	return named(func(id string, v value) {
		c := Controller{ID: id}
		if _, err := atMost(maxBrandName)(id); err != nil {
			v.problem("%v", err)
		}
		section(func() fields {
			known := c.Brand.keys()
			delete(known, "colour")
			delete(known, "logo_file")
			return known
		})(v)
		*dst = append(*dst, c)
	})
}

func brandsTree(brands []Controller) yaml.MapSlice {
	var out yaml.MapSlice
	for _, c := range brands {
		out = append(out, yaml.MapItem{Key: c.ID, Value: c.Brand.tree()})
	}
	return out
}

func atMost(octets int) func(string) (string, error) {
	return func(s string) (string, error) {
		if len(s) > octets {
			return "", fmt.Errorf("is longer than %d bytes: shorten it", octets)
		}
		return s, nil
	}
}

func (b Brand) tree() yaml.MapSlice {
	return pairs("name", b.Name, "address", b.Address, "contact", b.Contact, "privacy_url", b.PrivacyURL,
		"colour", b.Colour, "logo_file", b.LogoFile)
}

// Public reads the logo and returns the brand as the pages show it.
func (b Brand) Public() (unsub.Brand, error) {
	out := unsub.Brand{Name: b.Name, Address: b.Address, Contact: b.Contact, PrivacyURL: b.PrivacyURL, Colour: b.Colour}
	if b.LogoFile == "" {
		return out, nil
	}
	data, err := readPicture(b.LogoFile)
	if err == nil {
		out.Logo, err = unsub.ParseLogo(data)
	}
	if err != nil {
		return out, fmt.Errorf("unsubscribe.brand.logo_file %s: %w", b.LogoFile, cause(err))
	}
	return out, nil
}

// readPicture reads a file to one octet past the largest logo, which ParseLogo then refuses.
func readPicture(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, unsub.MaxLogo+1))
	return data, errors.Join(err, f.Close())
}
