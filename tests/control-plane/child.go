package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is this program, started again with another subcommand.
type child struct {
	name     string
	logFile  string
	process  *os.Process
	lifeline *os.File
	// exited is closed once the process is gone and err is set.
	exited chan struct{}
	err    error
	once   sync.Once
}

// startChild starts a subcommand whose output goes to logFile and which dies
// with this process. environment is added to the inherited one.
func startChild(logFile string, environment []string, subcommand string, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", subcommand, err)
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the lifeline of %s: %w", subcommand, err)
	}
	defer reader.Close()

	command := exec.Command(program, append([]string{subcommand}, args...)...)
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{reader}
	command.Env = append(os.Environ(), environment...)
	command.Env = append(command.Env, fmt.Sprintf("%s=%d", lifelineVariable, lifelineDescriptor))
	// Its own process group: an interrupt from the terminal reaches the parent
	// alone, which then stops the children in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		writer.Close()
		return nil, fmt.Errorf("start %s: %w", subcommand, err)
	}
	c := &child{
		name: subcommand, logFile: logFile, process: command.Process,
		lifeline: writer, exited: make(chan struct{}),
	}
	go func() {
		c.err = command.Wait()
		close(c.exited)
	}()
	return c, nil
}

// stop asks the child to end, and kills it when grace has passed. A grace of 0
// kills at once. It returns when the process is gone; calling it again is harmless.
func (c *child) stop(grace time.Duration) {
	c.once.Do(func() {
		defer c.lifeline.Close()
		if grace > 0 && c.process.Signal(syscall.SIGTERM) == nil {
			select {
			case <-c.exited:
				return
			case <-time.After(grace):
			}
		}
		_ = c.process.Kill()
		<-c.exited
	})
}

// failure describes a child that exited although nobody stopped it. Call it
// only after exited is closed.
func (c *child) failure() error {
	return fmt.Errorf("%s exited (%v); its log ends with:\n%s", c.name, c.err, tail(c.logFile))
}
