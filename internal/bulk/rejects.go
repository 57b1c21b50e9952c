package bulk

import (
	"encoding/csv"
	"io"
	"strconv"
)

// RejectsFile writes refused rows as CSV that a spreadsheet can open: line, cause, row.
type RejectsFile struct{ w *csv.Writer }

// NewRejectsFile writes the header.
func NewRejectsFile(w io.Writer) (*RejectsFile, error) {
	f := &RejectsFile{csv.NewWriter(w)}
	return f, f.w.Write([]string{"line", "cause", "row"})
}

// Add writes one row.
func (f *RejectsFile) Add(r Reject) error {
	return f.w.Write([]string{strconv.Itoa(r.Line), safeCell(r.Cause), safeCell(r.Row)})
}

// Flush writes what is still in memory.
func (f *RejectsFile) Flush() error {
	f.w.Flush()
	return f.w.Error()
}
