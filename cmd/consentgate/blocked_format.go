package main

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/consentgate/consentgate/gate"
)

func tablePrinter(out io.Writer) blockPrinter {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line(w, "TIME", "RECIPIENT", "STREAM", "VERDICT", "REASON", "MAIL FROM", "HINT")
	return blockPrinter{
		entry: func(e gate.BlockEntry) error {
			v := string(e.Verdict)
			if e.WouldBlock {
				v = "would " + v
			}
			line(w, when(e.Time), e.Recipient, e.Stream, v, string(e.Reason), e.MailFrom, e.Hint)
			return nil
		},
		flush: w.Flush,
	}
}

// csvColumns are named and ordered as in the JSON of an entry.
func csvColumns() []string {
	return []string{
		"id", "time", "phase", "session", "client", "credential", "mail_from", "recipient", "recipient_id",
		"message_id", "stream", "purpose", "verdict", "reason", "rule", "jurisdiction", "citation", "hint",
		"policy_version", "reply", "would_block",
	}
}

func csvPrinter(out io.Writer) blockPrinter {
	w := csv.NewWriter(out)
	first := true
	head := func() error {
		if !first {
			return nil
		}
		first = false
		return w.Write(csvColumns())
	}
	return blockPrinter{
		entry: func(e gate.BlockEntry) error {
			if err := head(); err != nil {
				return err
			}
			return w.Write(csvRow(e))
		},
		flush: func() error {
			if err := head(); err != nil {
				return err
			}
			w.Flush()
			return w.Error()
		},
	}
}

func csvRow(e gate.BlockEntry) []string {
	row := []string{
		e.ID, when(e.Time), e.Phase, e.Session, e.Client, e.Credential, e.MailFrom, e.Recipient, e.RecipientID.String(),
		e.MessageID, e.Stream, e.Purpose, string(e.Verdict), string(e.Reason), e.Rule, e.Jurisdiction, e.Citation,
		e.Hint, e.PolicyVersion, e.Reply, strconv.FormatBool(e.WouldBlock),
	}
	for i, name := range csvColumns() {
		if name != "recipient_id" { // it may begin with -, and joins tables as it is
			row[i] = inert(row[i])
		}
	}
	return row
}

// inert keeps a spreadsheet from running a cell: reverse-paths and message ids are chosen by strangers.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
