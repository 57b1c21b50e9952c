package main

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is by how much the kernel may wake a sleeping thread late (prctl(2), PR_SET_TIMERSLACK). Go's runtime has
// a thread that looks every 20 µs whether another one is held up in a system call. With the kernel's own 50 µs of slack
// that takes a tenth of a busy gate's CPU time on a small machine, and a processor from whoever was about to answer.
// What it costs: a timer is a millisecond late.
const timerSlack = time.Millisecond

// calm starts the program anew, as the same process, with timerSlack: only threads that begin later inherit it, and
// those of the runtime have begun. It returns where the slack is as large already, which systemd's TimerSlackNSec= may
// have seen to, and where the system refuses: a gate does the same without.
func calm() {
	runtime.LockOSThread() // slack and exec are a thread's
	defer runtime.UnlockOSThread()
	if slack() >= timerSlack {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0); err != nil || slack() < timerSlack {
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	_ = unix.Exec(program, os.Args, os.Environ())
}

// slack is that of this thread; 0 where it is not to be had.
func slack() time.Duration {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}
