package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// pictures are those of the documentation. `make screenshots` makes them anew, in docs/img.
func pictures() []string {
	return []string{
		"unsubscribe-en-1440-light", "unsubscribed-fr-360-dark", "preferences-en-360-light", "preferences-fr-1440-dark", "confirm-en-360-dark",
	}
}

// picture takes a picture of the page if it is one of the documentation's, into the folder that SCREENSHOTS names, or
// else one that ends with the test.
func (b *tab) picture(name string) {
	b.t.Helper()
	if !slices.Contains(pictures(), name) {
		return
	}
	dir := cmp.Or(os.Getenv("SCREENSHOTS"), b.t.TempDir())
	b.do("no height", chromedp.EmulateViewport(b.looks.width, 1))
	b.do("the page's height", chromedp.EmulateViewport(b.looks.width, b.look().Height))
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("the viewport again", chromedp.EmulateViewport(b.looks.width, viewHeight))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), smaller(b.t, data), 0o644); err != nil { //nolint:gosec // documentation
		b.t.Fatal(err)
	}
}

// smaller brings a picture of text down to 64 colours, which is a third of its size: the most frequent ones, and for
// every other the nearest of these.
func smaller(t *testing.T, data []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bounds := full.Bounds()
	seen := make(map[color.RGBA]int)
	each := func(f func(x, y int, c color.RGBA)) {
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				r, g, b, _ := full.At(x, y).RGBA()
				f(x, y, color.RGBA{byte(r >> 8), byte(g >> 8), byte(b >> 8), 0xff})
			}
		}
	}
	each(func(_, _ int, c color.RGBA) { seen[c]++ })
	frequent := slices.SortedFunc(maps.Keys(seen), func(a, b color.RGBA) int {
		return cmp.Or(seen[b]-seen[a], cmp.Compare(key(a), key(b)))
	})
	var palette color.Palette
	for _, c := range frequent[:min(64, len(frequent))] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8, len(seen))
	for c := range seen {
		nearest[c] = uint8(palette.Index(c)) //nolint:gosec // of 64
	}
	small := image.NewPaletted(bounds, palette)
	each(func(x, y int, c color.RGBA) { small.SetColorIndex(x, y, nearest[c]) })
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func key(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }
