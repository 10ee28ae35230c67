package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

const (
	informerResync          = 12 * time.Hour
	namespaceResync         = 5 * time.Minute
	garbageCollectorTimeout = 30 * time.Second
	garbageCollectorWorkers = 20
	namespaceWorkers        = 5
	serviceAccountWorkers   = 1
)

// runControllers runs the upstream controllers that an operator's tests need.
//
// kube-controller-manager looks for new types every 30 s, which is hard-coded,
// so children of a just-installed CRD's objects stay for half a minute after
// their owner. Here the period is a flag.
func runControllers(args []string) error {
	flags := flag.NewFlagSet("controllers", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig file")
	discovery := flags.Duration("gc-sync", time.Second, "how often the garbage collector looks for new types")
	klog.InitFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	clients, err := newClients(*kubeconfig)
	if err != nil {
		return err
	}
	if err := clients.startGarbageCollector(ctx, *discovery); err != nil {
		return err
	}
	if err := clients.startNamespaceControllers(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// clients are the two views of the API server that the controllers share.
type clients struct {
	kube     kubernetes.Interface
	metadata metadata.Interface
}

func newClients(kubeconfig string) (clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return clients{}, fmt.Errorf("read --kubeconfig %s: %w", kubeconfig, err)
	}
	// No client-side limit: a test that makes many objects must not wait for us.
	config.QPS, config.Burst = -1, -1
	config.UserAgent = "test-control-plane"
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make a client: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make a metadata client: %w", err)
	}
	return clients{kube: kube, metadata: meta}, nil
}

func (c clients) startGarbageCollector(ctx context.Context, discovery time.Duration) error {
	typed := informers.NewSharedInformerFactory(c.kube, informerResync)
	partial := metadatainformer.NewSharedInformerFactory(c.metadata, informerResync)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.kube.Discovery()))
	started := make(chan struct{})
	collector, err := garbagecollector.NewGarbageCollector(ctx, c.kube, c.metadata, mapper,
		garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(typed, partial), started)
	if err != nil {
		return fmt.Errorf("make the garbage collector: %w", err)
	}
	typed.Start(ctx.Done())
	partial.Start(ctx.Done())
	close(started)
	go resetMapper(ctx, mapper, discovery)
	go collector.Run(ctx, garbageCollectorWorkers, garbageCollectorTimeout)
	go collector.Sync(ctx, c.kube.Discovery(), discovery)
	return nil
}

func (c clients) startNamespaceControllers(ctx context.Context) error {
	typed := informers.NewSharedInformerFactory(c.kube, informerResync)
	namespaces := namespace.NewNamespaceController(ctx, c.kube, c.metadata,
		c.kube.Discovery().ServerPreferredNamespacedResources,
		typed.Core().V1().Namespaces(), namespaceResync, v1.FinalizerKubernetes)
	accounts, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx),
		typed.Core().V1().ServiceAccounts(), typed.Core().V1().Namespaces(), c.kube,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return fmt.Errorf("make the service account controller: %w", err)
	}
	typed.Start(ctx.Done())
	go namespaces.Run(ctx, namespaceWorkers)
	go accounts.Run(ctx, serviceAccountWorkers)
	return nil
}

// resetMapper forgets what is known about types, so that a CRD installed since
// then is found.
func resetMapper(ctx context.Context, mapper *restmapper.DeferredDiscoveryRESTMapper, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			mapper.Reset()
		}
	}
}
