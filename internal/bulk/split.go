package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxRecord bounds one row, line breaks inside its quotes included. What is longer is cut, and then refused.
const maxRecord = 1 << 20

var errUTF16 = errors.New("the file is UTF-16: save it as CSV in UTF-8")

// record is the raw text of one row and the line it begins on.
type record struct {
	text []byte // with its line end; valid until the next call
	line int
}

// records cuts a file into rows without parsing them, which is left to those who apply them.
type records struct {
	in    watched
	scan  *bufio.Scanner
	delim byte // of CSV; 0 before the header is known
	plain bool // a line is a row, whatever it holds
	line  int  // lines read
}

func newRecords(r io.Reader, plain bool) *records {
	rs := &records{in: watched{Reader: r}, plain: plain}
	rs.scan = bufio.NewScanner(&rs.in)
	rs.scan.Buffer(make([]byte, 256<<10), maxRecord)
	rs.scan.Split(rs.split)
	return rs
}

// watched remembers what kept a reader from its end.
type watched struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// next returns the next row that is not blank; io.EOF after the last.
func (rs *records) next() (record, error) {
	for rs.scan.Scan() {
		text := rs.scan.Bytes()
		first := rs.line + 1
		rs.line += max(bytes.Count(text, []byte{'\n'}), 1)
		if first == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
				return record{}, errUTF16
			}
		}
		if len(bytes.TrimSpace(text)) > 0 {
			return record{text, first}, nil
		}
	}
	if err := rs.scan.Err(); err != nil {
		return record{}, err
	}
	return record{}, io.EOF
}

// split is a bufio.SplitFunc. Where a quote is never closed it cuts after the first line, so that one bad row does not
// swallow those behind it.
func (rs *records) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if len(data) == 0 {
		return 0, nil, nil
	}
	end := rs.end(data, atEOF && rs.in.err == nil)
	switch {
	case end > 0:
	case rs.in.err != nil: // half a row is none
		return 0, nil, nil
	case !atEOF && len(data) < maxRecord:
		return 0, nil, nil
	case rs.plain:
		end = len(data)
	default:
		if end = bytes.IndexByte(data, '\n') + 1; end == 0 {
			end = len(data)
		}
	}
	return end, data[:end], nil
}

// end returns the length of the first row with its line end; 0 where it does not end in data.
func (rs *records) end(data []byte, atEOF bool) int {
	line := bytes.IndexByte(data, '\n') + 1
	if rs.plain || line == 0 || bytes.IndexByte(data[:line], '"') < 0 {
		return line
	}
	quoted, fresh := false, true // inside quotes; at the start of a cell
	for i, c := range data {
		switch {
		case c == '"' && (quoted || fresh):
			// A doubled quote closes and opens again, which comes to the same.
			quoted, fresh = !quoted, quoted
		case quoted:
		case c == '\n':
			return i + 1
		default:
			fresh = c == rs.delim || rs.delim == 0 && (c == ',' || c == ';')
		}
	}
	if atEOF && !quoted {
		return len(data)
	}
	return 0
}
