// Package bulk brings many events in and out: the files that other programs export, CSV and JSON lines, and the whole
// of a store. It reads a file as a stream, in batches that several writers apply at the same time, so that its memory
// does not grow with the file.
//
// Two things hold for every import. A row never becomes more than its file proves: where nothing says how consent was
// given the event is of method imported, which permits nothing. And an event's id follows from what the row says, so
// that the same row is the same event however often, and in whatever order, files are read.
//
// The package decides nothing and stores nothing: stores, keys and policy come in as gate's ports. It imports gate and
// the standard library; the command line uses it.
package bulk
