package journal

import "time"

// Faults makes the disk fail: each func, where set, is asked before the real call.
type Faults struct {
	Write    func(n int) (keep int, err error) // keep octets are written before err
	Sync     func() error
	Truncate func() error
}

// Inject returns o with a disk that fails as f says.
func Inject(o Options, f *Faults) Options {
	o.open = func(name string) (file, error) {
		disk, err := openSegment(name)
		if err != nil {
			return nil, err
		}
		return faulty{file: disk, f: f}, nil
	}
	return o
}

type faulty struct {
	file
	f *Faults
}

func (d faulty) WriteAt(b []byte, off int64) (int, error) {
	if d.f.Write == nil {
		return d.file.WriteAt(b, off)
	}
	keep, err := d.f.Write(len(b))
	if err == nil {
		return d.file.WriteAt(b, off)
	}
	n, _ := d.file.WriteAt(b[:keep], off)
	return n, err
}

func (d faulty) Sync() error {
	if d.f.Sync != nil {
		if err := d.f.Sync(); err != nil {
			return err
		}
	}
	return d.file.Sync()
}

func (d faulty) Truncate(size int64) error {
	if d.f.Truncate != nil {
		if err := d.f.Truncate(); err != nil {
			return err
		}
	}
	return d.file.Truncate(size)
}

// Frame is how a record stands in a segment.
func Frame(at time.Time, rec []byte) []byte { return appendFrame(nil, at, rec) }
