// Enforces the NetworkPolicies of a cluster for the pods of one node, with the library of
// kube-network-policies. That project's own program accepts a pod's ServiceAccount only, and keeps
// running when it cannot open its queue, although nothing decides about connections then.
//
// The rules are in the network namespace of this process, and it removes them when it ends. After
// SIGKILL they stay, and drop every new connection of the pods that a policy selects, until the
// program starts again or the namespace is gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/nftables"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const table = "kube-network-policies"

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file with the API server's address and a user")
	node := flag.String("node", "", "name of the node whose pods are guarded")
	address := flag.String("health-address", "", "address that answers /healthz")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *node, *address); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, node, address string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		nil, nil, nil, nil, // what AdminNetworkPolicies need, which are off
		networkpolicy.Config{
			NodeName:    node,
			NFTableName: table,
			// Its default; kernels before 6.12 lose DNS packets without it.
			// https://bugzilla.netfilter.org/show_bug.cgi?id=1766
			NetfilterBug1766Fix: true,
			// NRI stays on. Without it, v0.8.0 fails on the first packet of an address that is no
			// pod's. A runtime that has no NRI is mentioned once, and the API server is asked.
		},
	)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- controller.Run(ctx) }()
	factory.Start(ctx.Done())
	go func() { ended <- serve(address) }()
	// Without its queue or its health, another start is better than this one.
	if err := <-ended; ctx.Err() == nil {
		return errors.Join(errors.New("nothing decides about connections any more"), err)
	}
	return nil
}

// serve answers whether the rules exist; they are written after the policies have been read.
func serve(address string) error {
	server := http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second}
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(answer, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return server.ListenAndServe()
}

func ready() error {
	connection, err := nftables.New()
	if err != nil {
		return err
	}
	_, err = connection.ListTableOfFamily(table, nftables.TableFamilyINet)
	return err
}
