package bulk

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readAll cuts a text into rows and cells; a row that is refused is nil.
func readAll(text string, delim byte) (rows [][]string, lines []int, err error) {
	rs := newRecords(strings.NewReader(text), false)
	rs.delim = delim
	for {
		r, err := rs.next()
		if errors.Is(err, io.EOF) {
			return rows, lines, nil
		}
		if err != nil {
			return rows, lines, err
		}
		cells, err := splitCells(nil, string(r.text), delim)
		if err != nil {
			cells = nil
		}
		rows, lines = append(rows, cells), append(lines, r.line)
	}
}

func TestRowsAndTheirLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord)
	for name, tt := range map[string]struct {
		text  string
		rows  [][]string
		lines []int
	}{
		"plain":                             {"a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}},
		"CRLF, no line end at end":          {"a,b\r\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}},
		"quotes":                            {`"a,""b""",c` + "\n", [][]string{{`a,"b"`, "c"}}, []int{1}},
		"lines inside quotes":               {"\"a\r\nb\",c\nd,e\n", [][]string{{"a\r\nb", "c"}, {"d", "e"}}, []int{1, 3}},
		"lines inside quotes last":          {"x,y\n\"a\nb\",c", [][]string{{"x", "y"}, {"a\nb", "c"}}, []int{1, 2}},
		"empty cells":                       {",\n\"\",\n", [][]string{{"", ""}, {"", ""}}, []int{1, 2}},
		"blank lines":                       {"a\n\n  \nb\n", [][]string{{"a"}, {"b"}}, []int{1, 4}},
		"a byte order mark":                 {"\xef\xbb\xbfa,b\n", [][]string{{"a", "b"}}, []int{1}},
		"an open quote spoils its own line": {"a\n\"b\nc\nd\n", [][]string{{"a"}, nil, {"c"}, {"d"}}, []int{1, 2, 3, 4}},
		"a stray quote spoils its own line": {"a\nb\"c,\nd\n", [][]string{{"a"}, nil, {"d"}}, []int{1, 2, 3}},
		"an endless row is cut":             {"\"" + long + "\nb\n", [][]string{nil, {"x"}, {"b"}}, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, lines, err := readAll(tt.text, ',')
			if err != nil {
				t.Fatal(err)
			}
			if name == "an endless row is cut" { // where is the reader's matter
				if rows[0] != nil || rows[len(rows)-1][0] != "b" {
					t.Errorf("%d rows", len(rows))
				}
				return
			}
			if diff := cmp.Diff(tt.rows, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.lines, lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheDelimiterIsTheOneTheHeaderHasMoreOf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]byte{
		"a,b,c": ',', "a;b;c": ';', `"a,b,c";d`: ';', "a": ',', `"x;y",b`: ',',
	} {
		if got := detectDelimiter(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// FuzzCells: whatever the standard library reads is read the same here.
func FuzzCells(f *testing.F) {
	for _, seed := range []string{
		"a,b\n", "\"a\",\"x,\"\"y\"\"\nz\"\r\n", "a\n\"c\",\n", ",\"\"\n", "a,\"b", "\"a\"b,c\n", "a\r\r\n,\r", "\"\"\"\n\"\"\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		got, _, gotErr := readAll(text, ',')
		if err != nil || gotErr != nil {
			return
		}
		// The library drops empty lines and turns CRLF inside quotes into LF; here blank lines are dropped.
		if diff := cmp.Diff(tidy(want), tidy(got)); diff != "" {
			t.Errorf("%q (-library +ours):\n%s", text, diff)
		}
	})
}

func tidy(rows [][]string) (all []string) {
	for _, row := range rows {
		text := strings.ReplaceAll(strings.Join(row, "\x00"), "\r\n", "\n")
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" {
			continue
		}
		all = append(all, text)
	}
	return all
}
