package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// upFlags are the flags of "up".
type upFlags struct {
	folder           string
	port             int
	readyFile        string
	exitOnStdinClose bool
	withControllers  bool
	discovery        time.Duration
	fsync            bool
	grace            time.Duration
	gogc             int
	deadline         time.Duration
	apiServer        repeatedFlag
}

// repeatedFlag collects the values of a flag that may be given several times.
type repeatedFlag []string

func (f *repeatedFlag) String() string { return strings.Join(*f, " ") }

func (f *repeatedFlag) Set(value string) error {
	*f = append(*f, value)
	return nil
}

func parseUpFlags(args []string) (upFlags, error) {
	var f upFlags
	var noControllers bool
	set := flag.NewFlagSet("up", flag.ContinueOnError)
	set.StringVar(&f.folder, "dir", "", "folder for credentials, logs and etcd's store (default: a temporary one, removed at the end)")
	set.IntVar(&f.port, "port", 0, "the API server's port on 127.0.0.1 (0: a free one)")
	set.StringVar(&f.readyFile, "ready-file", "", "file that receives the kubeconfig's path once everything is ready")
	set.BoolVar(&f.exitOnStdinClose, "exit-on-stdin-close", false, "stop when standard input ends")
	set.BoolVar(&noControllers, "no-controllers", false, "run etcd and kube-apiserver only")
	set.DurationVar(&f.discovery, "gc-sync", time.Second, "how often the garbage collector looks for new types")
	set.BoolVar(&f.fsync, "etcd-fsync", false, "let etcd sync its files")
	set.DurationVar(&f.grace, "grace", 10*time.Second, "time the children have to stop before they are killed (0: none)")
	set.IntVar(&f.gogc, "gogc", 200, "GOGC of kube-apiserver: a higher value costs memory and saves CPU")
	set.DurationVar(&f.deadline, "timeout", 120*time.Second, "time to become ready")
	set.Var(&f.apiServer, "apiserver-arg", "another flag for kube-apiserver (may be repeated)")
	if err := set.Parse(args); err != nil {
		return upFlags{}, err
	}
	if set.NArg() > 0 {
		return upFlags{}, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	f.withControllers = !noControllers
	return f, nil
}

// runUp runs a control plane until a signal, or the end of standard input,
// stops it. It prints the kubeconfig's path when everything is ready.
func runUp(args []string) error {
	flags, err := parseUpFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	layout, err := newLayout(flags.folder)
	if err != nil {
		return err
	}
	defer layout.remove()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if flags.exitOnStdinClose {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	plane := &controlPlane{flags: flags, layout: layout, start: time.Now()}
	defer plane.stop()
	if err := plane.up(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped before it was ready")
		}
		return err
	}
	if err := plane.announce(); err != nil {
		return err
	}
	return plane.watch(ctx)
}

// controlPlane is what runs by now; stop ends exactly that.
type controlPlane struct {
	flags       upFlags
	layout      layout
	start       time.Time
	credentials credentials
	etcd        *embed.Etcd
	apiServer   *child
	controllers *child
}

func (p *controlPlane) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.flags.deadline,
		fmt.Errorf("--timeout %s is over", p.flags.deadline))
	defer cancel()
	err := p.serve(ctx)
	for attempt := 1; err != nil && isPortTaken(err) && attempt < portAttemptsMax && p.flags.port == 0; attempt++ {
		p.stop()
		err = p.serve(ctx)
	}
	if err != nil || !p.flags.withControllers {
		return err
	}
	return p.startControllers(ctx)
}

// serve starts etcd and kube-apiserver on ports that were free a moment ago.
func (p *controlPlane) serve(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcdPort, peerPort, apiPort := ports[0], ports[1], ports[2]
	if p.flags.port != 0 {
		apiPort = p.flags.port
	}
	if p.credentials, err = writeCredentials(p.layout, fmt.Sprintf("https://127.0.0.1:%d", apiPort)); err != nil {
		return err
	}
	if p.etcd, err = startEtcd(p.layout, etcdPort, peerPort, p.flags.fsync); err != nil {
		return err
	}
	p.report("etcd ready")
	p.apiServer, err = startChild(p.layout.path("kube-apiserver.log"),
		[]string{fmt.Sprintf("GOGC=%d", p.flags.gogc)}, "kube-apiserver",
		apiServerArguments(p.layout, fmt.Sprintf("http://127.0.0.1:%d", etcdPort), apiPort, p.flags.apiServer)...)
	if err != nil {
		return err
	}
	if err := newProbe(p.credentials).wait(ctx, "/readyz", p.apiServer); err != nil {
		return err
	}
	p.report("kube-apiserver ready")
	return nil
}

// startControllers waits for the first thing they make: the default service account.
func (p *controlPlane) startControllers(ctx context.Context) error {
	var err error
	p.controllers, err = startChild(p.layout.path("controllers.log"), nil, "controllers",
		"--kubeconfig="+p.layout.path("kubeconfig"), "--gc-sync="+p.flags.discovery.String())
	if err != nil {
		return err
	}
	const account = "/api/v1/namespaces/default/serviceaccounts/default"
	if err := newProbe(p.credentials).wait(ctx, account, p.controllers); err != nil {
		return err
	}
	p.report("controllers ready")
	return nil
}

func (p *controlPlane) announce() error {
	kubeconfig := p.layout.path("kubeconfig")
	if _, err := fmt.Println(kubeconfig); err != nil {
		return fmt.Errorf("print the kubeconfig's path: %w", err)
	}
	if p.flags.readyFile == "" {
		return nil
	}
	// Renamed into place, so that a reader never sees half of it.
	partial := p.flags.readyFile + ".partial"
	if err := os.WriteFile(partial, []byte(kubeconfig+"\n"), 0o600); err != nil {
		return fmt.Errorf("write --ready-file: %w", err)
	}
	if err := os.Rename(partial, p.flags.readyFile); err != nil {
		return fmt.Errorf("write --ready-file: %w", err)
	}
	return nil
}

// watch returns nil when ctx ends and an error when a child does.
func (p *controlPlane) watch(ctx context.Context) error {
	var controllersExited <-chan struct{}
	if p.controllers != nil {
		controllersExited = p.controllers.exited
	}
	select {
	case <-ctx.Done():
		return nil
	case <-p.apiServer.exited:
		return p.apiServer.failure()
	case <-controllersExited:
		return p.controllers.failure()
	case err := <-p.etcd.Err():
		return fmt.Errorf("etcd: %w", err)
	}
}

// stop ends what runs, clients before servers. Calling it again is harmless.
func (p *controlPlane) stop() {
	if p.controllers != nil {
		p.controllers.stop(p.flags.grace)
		p.controllers = nil
	}
	if p.apiServer != nil {
		p.apiServer.stop(p.flags.grace)
		p.apiServer = nil
	}
	if p.etcd != nil {
		p.etcd.Close()
		p.etcd = nil
	}
}

// report says on standard error how long a step of the start took.
func (p *controlPlane) report(step string) {
	fmt.Fprintf(os.Stderr, "test-control-plane: %-22s +%.3fs\n", step, time.Since(p.start).Seconds())
}
