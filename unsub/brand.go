package unsub

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// Brand is whose pages these are. Every field may be empty; nothing of it is loaded from anywhere else.
type Brand struct {
	Name       string
	Address    string // postal
	Contact    string // an e-mail address or an https URL, as ParseContact takes it
	PrivacyURL string
	Colour     string // of buttons: "#rrggbb"
	Logo       Logo
}

// Logo is a picture, served from our own origin. The zero Logo is none.
type Logo struct {
	Type string // "image/png" or "image/svg+xml"
	Data []byte
}

// Bounds of a logo. A page waits for it, and pictures of many pixels are bombs.
const (
	MaxLogo       = 256 << 10
	maxLogoPixels = 2048
)

// ParseColour takes #rrggbb.
func ParseColour(s string) (string, error) {
	if _, err := rgb(s); err != nil {
		return "", err
	}
	return strings.ToLower(s), nil
}

func rgb(s string) (uint32, error) {
	digits, ok := strings.CutPrefix(s, "#")
	n, err := strconv.ParseUint(digits, 16, 24)
	if !ok || err != nil || len(digits) != 6 {
		return 0, errors.New("is no colour: write it as #1f5fbf")
	}
	return uint32(n), nil
}

// ParseContact takes what a person can write to: an e-mail address, or the https URL of a page.
func ParseContact(s string) (string, error) {
	if strings.Contains(s, "://") {
		return ParseLink(s)
	}
	if _, err := gate.ParseAddress(s); err != nil {
		return "", errors.New("is neither an e-mail address nor an https URL")
	}
	return s, nil
}

// ParseLink takes an https URL.
func ParseLink(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("is no https URL")
	}
	return s, nil
}

// ParseLogo recognises a PNG or SVG picture by its content.
func ParseLogo(data []byte) (Logo, error) {
	switch {
	case len(data) > MaxLogo:
		return Logo{}, fmt.Errorf("is larger than %d KiB: make it smaller", MaxLogo>>10)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		c, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil || c.Width > maxLogoPixels || c.Height > maxLogoPixels {
			return Logo{}, fmt.Errorf("is no PNG of at most %d x %d pixels", maxLogoPixels, maxLogoPixels)
		}
		return Logo{Type: "image/png", Data: data}, nil
	case isSVG(data):
		return Logo{Type: "image/svg+xml", Data: data}, nil
	}
	return Logo{}, errors.New("is neither PNG nor SVG")
}

// isSVG reports whether data is XML with the root element svg of the SVG namespace, without which browsers show
// nothing.
func isSVG(data []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(data))
	root := xml.Name{}
	for {
		token, err := d.Token()
		if err != nil {
			return root.Local == "svg" && root.Space == "http://www.w3.org/2000/svg" && errors.Is(err, io.EOF)
		}
		if e, ok := token.(xml.StartElement); ok && root.Local == "" {
			root = e.Name
		}
	}
}

// ink is black or white, whichever reads better on the colour: one of them always has a contrast of 4.58 or more
// (WCAG 2.2 criterion 1.4.3 wants 4.5).
func ink(colour uint32) string {
	if light := luminance(colour); (light+0.05)*(light+0.05) > 1.05*0.05 {
		return "#000000"
	}
	return "#ffffff"
}

// luminance is the relative luminance of WCAG 2.2, 0 to 1.
func luminance(colour uint32) float64 {
	channel := func(shift uint) float64 {
		v := float64(colour>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

// css is the colour as the variables of style.css; empty without one.
func (b Brand) css() string {
	colour, err := rgb(b.Colour)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(":root {\n  --act: %s;\n  --act-ink: %s;\n}\n", b.Colour, ink(colour))
}

// ContactLink is where Contact leads.
func (b Brand) ContactLink() string {
	if strings.Contains(b.Contact, "://") {
		return b.Contact
	}
	return (&url.URL{Scheme: "mailto", Opaque: url.PathEscape(b.Contact)}).String()
}

// serveCSS and serveLogo answer /brand.css and /logo.
func (b Brand) serveCSS(w http.ResponseWriter, _ *http.Request) {
	serveAsset(w, "text/css; charset=utf-8", []byte(b.css()))
}

// An SVG opened by itself is a document that could run scripts in our name: sandboxed, it is a picture and no more.
func (b Brand) serveLogo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	serveAsset(w, b.Logo.Type, b.Logo.Data)
}

func serveAsset(w http.ResponseWriter, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(data) // the reader may have left
}
