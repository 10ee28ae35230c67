package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
)

// lifelineVariable names the file descriptor a child watches. Its other end is
// held by the parent alone, so the kernel closes it when the parent dies in
// whatever way, and the child follows. Unlike Linux's parent-death signal this
// works on every Unix and doesn't depend on which thread started the child.
const lifelineVariable = "TEST_CONTROL_PLANE_LIFELINE"

// lifelineDescriptor is the first extra file of an exec.Cmd.
const lifelineDescriptor = 3

// followLifeline ends this process when the parent is gone. It does nothing in
// a process that was started without a lifeline.
func followLifeline() error {
	value, ok := os.LookupEnv(lifelineVariable)
	if !ok {
		return nil
	}
	descriptor, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%s=%q is not a file descriptor: %w", lifelineVariable, value, err)
	}
	lifeline := os.NewFile(uintptr(descriptor), "lifeline")
	if lifeline == nil {
		return fmt.Errorf("%s=%q is not an open file descriptor", lifelineVariable, value)
	}
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		fmt.Fprintln(os.Stderr, "the parent process is gone, exiting")
		os.Exit(1)
	}()
	return nil
}
