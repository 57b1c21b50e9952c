// Package formlint reads the HTML of a page and reports boxes, fields and sentences that take consent which is none:
// ticked beforehand, bundled, hidden, implied or demanded. Each finding has its place, the law and the fix.
//
// It sees what the server sent: no script runs, no style counts, nothing is submitted, and only the page itself is
// fetched. What it finds by words it finds in the languages of its table (words.go). It is a reader of other people's
// pages, hostile ones too, and no judge: a clean report is not a lawful form. It imports nothing of ours; the command
// line imports it.
package formlint
