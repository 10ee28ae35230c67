package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// portAttemptsMax bounds how often start-up picks new ports because another
// process took one between the choice and its use.
const portAttemptsMax = 4

// freePorts finds count different free TCP ports on 127.0.0.1. They are only
// known to have been free a moment ago: callers retry on isPortTaken.
func freePorts(count int) ([]int, error) {
	ports := make([]int, 0, count)
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		// Held until all are found, so that they differ.
		defer listener.Close()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("find a free port: unexpected address %v", listener.Addr())
		}
		ports = append(ports, address.Port)
	}
	return ports, nil
}

// isPortTaken reads the cause from the error or, for a child's failure, from
// the log lines in it.
func isPortTaken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "address already in use")
}
